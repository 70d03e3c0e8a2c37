"""Stand-in for FINN's configuration; that the real class takes the file is another test."""

from pathlib import Path
from types import SimpleNamespace

import yaml


class DataflowBuildConfig:
    @classmethod
    def construct_from(cls, path):
        config = SimpleNamespace(**yaml.safe_load(Path(path).read_text()))
        config.folding_config_file = Path(path).parent / config.folding_config_file
        assert config.folding_config_file.is_file()
        return config
