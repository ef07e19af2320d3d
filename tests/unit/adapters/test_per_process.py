import os
import pickle
import threading
import warnings

from tests.unit.adapters.layers.fakes import in_forked_child

from file_dataset.adapters.per_process import PerProcess


def test_a_process_makes_its_value_once_and_a_child_its_own():
    made = []

    def make():
        made.append(os.getpid())
        return os.getpid()

    value = PerProcess(make)
    assert made == []
    assert [value(), value()] == [os.getpid()] * 2
    assert made == [os.getpid()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child, seen = in_forked_child(lambda: (os.getpid(), value()))
    assert child == seen != os.getpid()


def test_all_threads_get_one_value():
    both_are_here, first_has_it = threading.Barrier(2), threading.Event()

    def make():
        made = object()
        if both_are_here.wait(20):
            assert first_has_it.wait(20)
        return made

    value = PerProcess(make)
    got = []

    def get():
        got.append(value())
        first_has_it.set()

    threads = [threading.Thread(target=get) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(got) == 2
    assert got[0] is got[1]


def test_what_is_falsy_is_a_value_too():
    made = []
    value = PerProcess(lambda: made.append(1))
    value()
    value()
    assert made == [1]


def test_it_pickles_without_its_value():
    value = PerProcess(threading.Lock)
    value()
    assert pickle.loads(pickle.dumps(value))() is not value()
