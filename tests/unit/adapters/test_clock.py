import pickle

from file_dataset.adapters.clock import SystemClock


def test_it_waits_and_never_goes_back():
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0.001)
    assert clock.now() >= before + 0.001
    assert pickle.loads(pickle.dumps(clock)) == clock
