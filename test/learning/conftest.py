"""What the tests of the learning room share."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """These networks are tiny, and threads that wait for each other are slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
