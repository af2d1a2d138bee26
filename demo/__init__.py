"""The program's main job on real parts, told in plain lines: stage, cut the network, apply."""
