"""The gate: all text from outside this program is cleaned here before it is shown, stored or sent."""
