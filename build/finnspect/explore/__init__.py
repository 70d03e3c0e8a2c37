"""The search over model width, bits and folding: a study of trials, shared by any number of workers.

``space`` says what may be chosen, ``settings`` what all trials of a study have in common, ``evaluate`` what
a choice gives, ``study`` where the trials are kept, ``worker`` how one process works on them, ``front`` and
``results`` what comes out.
"""
