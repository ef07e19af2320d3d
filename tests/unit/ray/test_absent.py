"""What is said where Ray is not installed."""

from __future__ import annotations

import subprocess
import sys


def test_without_ray_the_extra_is_named():
    program = (
        "import sys; sys.modules['ray'] = None\n"
        "from file_dataset import MissingDependencyError\n"
        "try:\n    import file_dataset.ray\n"
        "except MissingDependencyError as error:\n    print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert said == "file_dataset.ray needs Ray: pip install 'file-dataset[ray]'\n"
