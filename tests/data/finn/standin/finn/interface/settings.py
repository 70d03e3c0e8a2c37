"""Stand-in for FINN's settings."""

from pathlib import Path


class FINNSettings:
    @classmethod
    def init(cls, flow_config, finn_build_dir):
        assert Path(flow_config).is_file()
        assert Path(finn_build_dir).is_dir()
        made = cls()
        made.finn_build_dir = finn_build_dir
        return made
