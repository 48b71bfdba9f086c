"""What people do about an incident: acknowledge, silence, escalate, call it noise."""
