"""Desired against live containers: plan, drift, readiness, observation. Pure."""
