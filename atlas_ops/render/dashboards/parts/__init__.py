"""Panels by what they show, for whichever dashboard wants them. Called by `boards`.

Each function takes the matchers of what is chosen (`variables.picked`) and the labels that its series are told by.
"""
