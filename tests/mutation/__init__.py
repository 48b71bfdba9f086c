"""Changes the rules one thing at a time, and sees whether the promtool cases notice. `make mutants` runs it.

A case that passes whatever the rule says is no test of it: a rule without its `for`, with its comparison turned round, its
threshold halved, a matcher gone or a window four times as long has to make a case of its fault fail.
"""
