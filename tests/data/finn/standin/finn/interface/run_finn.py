"""Stand-in for FINN's command line: what it does before a build, without doing it."""


def ensure_ld_library_path():
    """FINN starts the script again here; nothing to do without a simulator."""


def prepare_finn(settings, accept_defaults, batch):
    assert settings.finn_build_dir
    assert accept_defaults
    assert batch
