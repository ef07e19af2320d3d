from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import botocore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ProfileNotFound
from botocore.loaders import JSONFileLoader
from tests.forking import ended, forked
from tests.unit.adapters.s3.wire import KEYS

from file_dataset.adapters.s3 import S3Options, S3Store, client
from file_dataset.adapters.s3 import options as module
from file_dataset.adapters.s3.client import connect, retries_itself
from file_dataset.adapters.s3.pickling import is_set
from file_dataset.domain.errors import StoreError
from file_dataset.domain.url import Url

CANARY = "canary-in-the-coal-mine"
SETTINGS = ("response_checksum_validation", "request_checksum_calculation")


def configured(options: S3Options, name: str):
    return getattr(options.client.meta.config, name)


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Writes the file of the AWS tools, with one profile of the name "p"."""

    def write(**values: str) -> None:
        lines = [f"{name} = {value}" for name, value in values.items()]
        (tmp_path / "config").write_text("\n".join(["[profile p]", *lines]) + "\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    return write


class TestSecrets:
    @pytest.mark.parametrize(
        "name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "surprise"]
    )
    def test_they_are_not_shown(self, name):
        options = S3Options({name: CANARY}, {name: CANARY})
        assert CANARY not in repr(options)
        assert CANARY not in str(options)
        assert CANARY not in repr(S3Store(options))
        assert CANARY not in repr({"options": [options]})
        assert f"'{name}': '***'" in repr(options)

    def test_a_password_in_the_endpoint_is_not_shown(self):
        options = S3Options({}, {"endpoint_url": f"http://user:{CANARY}@localhost:1/base"})
        assert CANARY not in repr(options) + repr(S3Store(options)) + options.endpoint
        assert options.endpoint == "http://localhost:1/base"

    def test_what_is_no_secret_is_shown(self):
        options = S3Options({"region_name": "eu-west-1"}, {"verify": False})
        assert repr(options) == (
            "S3Options(session_kwargs={'region_name': 'eu-west-1'}, "
            "client_kwargs={'verify': False}, max_concurrency=32, engine='auto', "
            "max_in_flight=256, verify_reads='checksum', verify_writes=False, "
            "requester_pays=False, read_only=False)"
        )

    def test_they_are_in_no_error(self):
        endpoint = f"http://user:{CANARY}@127.0.0.1:9"
        secrets = {"aws_access_key_id": CANARY, "aws_secret_access_key": CANARY}
        store = S3Store(S3Options(secrets, {"endpoint_url": endpoint}))
        with pytest.raises(StoreError) as caught:
            store.read(Url.parse("s3://bucket/key"))
        assert CANARY not in str(caught.value) + caught.value.detail + repr(caught.value)


class TestValues:
    def test_importing_does_not_load_boto3(self):
        code = (
            "import sys, pickle, file_dataset.adapters.s3 as s3\n"
            "repr(s3.S3Store(s3.S3Options()))\n"
            "print(sorted({'boto3', 'botocore', 's3transfer', 'urllib3'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("wrong", [0, -1])
    def test_at_least_one_request_at_a_time(self, wrong):
        with pytest.raises(ValueError, match="max_concurrency"):
            S3Options(max_concurrency=wrong)

    def test_the_number_is_a_number(self):
        with pytest.raises(TypeError, match="max_concurrency"):
            S3Options(max_concurrency="32")  # type: ignore[arg-type]

    def test_they_keep_their_own_copy_of_the_arguments(self):
        given = {"region_name": "eu-west-1"}
        options = S3Options(given)
        given["region_name"] = "us-east-1"
        assert options.session_kwargs == {"region_name": "eu-west-1"}


class TestPickling:
    def test_values_come_back_without_the_client(self, options):
        client = options.client
        again = pickle.loads(pickle.dumps(options))
        assert again == options
        assert again.client is not client
        assert again.client.meta.region_name == "us-east-1"

    def test_copies_share_a_client_as_long_as_they_say_the_same(self, options, monkeypatch):
        config = Config(retries={"mode": "standard", "total_max_attempts": 2})
        said = attrs.evolve(options, client_kwargs={**options.client_kwargs, "config": config})
        first, second = (pickle.loads(pickle.dumps(said)) for _ in range(2))
        assert first.client is second.client
        assert pickle.loads(pickle.dumps(options)).client is not first.client
        monkeypatch.setenv("AWS_PROFILE", "default")
        assert pickle.loads(pickle.dumps(said)).client is not first.client

    def test_what_only_other_picklers_can_take_along_has_a_client_of_its_own(self, options):
        unpickle, (given,) = options.__reduce__()[:2]
        once, again = (unpickle({**given, "client_kwargs": {"hook": lambda: None}}) for _ in "12")
        assert once._client is not again._client

    def test_copies_are_like_pickles(self, options):
        assert copy.copy(options) == copy.deepcopy(options) == options

    def test_what_differs_from_the_defaults_travels(self):
        options = S3Options(
            {}, {}, None, 5, "boto3", 6, "etag", verify_writes=True, requester_pays=True
        )
        again = pickle.loads(pickle.dumps(options))
        assert again == options
        assert (again.verify_reads, again.verify_writes, again.requester_pays) == ("etag", 1, 1)
        assert S3Options() not in (again, options)

    def test_unsigned_stays_unsigned(self):
        config = Config(signature_version=botocore.UNSIGNED, connect_timeout=3)
        options = S3Options({}, {"config": config, "region_name": "us-east-1"})
        again = pickle.loads(pickle.dumps(options))
        assert configured(again, "signature_version") is botocore.UNSIGNED
        assert configured(again, "connect_timeout") == 3

    def test_transfer_configurations_keep_what_is_set_and_what_is_not(self, options):
        config = TransferConfig(multipart_threshold=123, use_threads=False)
        config.max_request_queue_size = 7
        options = attrs.evolve(options, transfer_config=config)
        again = pickle.loads(pickle.dumps(options)).transfer_config
        assert (again.multipart_threshold, again.use_threads) == (123, False)
        assert again.max_request_queue_size == 7
        assert again.multipart_chunksize == 8 * 1024 * 1024
        assert again.get_deep_attr("multipart_chunksize") is TransferConfig.UNSET_DEFAULT


class TestClients:
    def test_there_is_one(self, options):
        assert options.client is options.client

    def test_threads_that_come_first_get_the_same(self, options, monkeypatch):
        made = []

        def make(each):
            made.append(each)
            return connect(each)

        monkeypatch.setattr(module, "connect", make)
        everyone = threading.Barrier(20)

        def get(_: int) -> int:
            everyone.wait()
            return id(options.client)

        with ThreadPoolExecutor(20) as threads:
            assert len(set(threads.map(get, range(20)))) == 1
        assert made == [options]

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_child_makes_its_own(self, options):
        client = options.client
        assert in_child(lambda: options.client is not client and options.client is options.client)

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_fork_while_a_client_is_made_does_not_hang_the_child(self, options):
        with module._making:
            assert in_child(lambda: bool(options.client))

    def test_the_session_s_arguments_reach_it(self):
        options = S3Options({**KEYS, "region_name": "eu-west-1"}, {"endpoint_url": "http://h:1"})
        assert options.client.meta.region_name == "eu-west-1"
        assert options.client.meta.endpoint_url == "http://h:1"

    def test_the_environment_is_boto3_s(self, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://from-the-environment:1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        assert S3Options().client.meta.endpoint_url == "http://from-the-environment:1"
        assert S3Options().client.meta.region_name == "eu-west-1"


def in_child(holds) -> bool:
    """Whether something holds in a forked child."""
    return ended(forked(holds)) == [0]


class TestProfiles:
    def test_a_missing_one_is_passed_over_by_who_brings_keys(self, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "missing")
        for options in (
            S3Options({**KEYS, "region_name": "eu-west-1"}),
            S3Options({"region_name": "eu-west-1"}, KEYS),
            S3Options({**KEYS, "region_name": "eu-west-1", "profile_name": "missing"}),
        ):
            assert options.client.meta.region_name == "eu-west-1"
            client: Any = options.client
            assert client._request_signer._credentials.access_key == "AKIDEXAMPLE"

    def test_a_missing_one_is_an_error_otherwise(self, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "missing")
        with pytest.raises(ProfileNotFound):
            _ = S3Options().client
        with pytest.raises(ProfileNotFound):
            _ = S3Options({"aws_access_key_id": "half"}).client

    def test_one_that_is_there_is_read(self, profile):
        profile(region="eu-north-1")
        assert S3Options({"profile_name": "p"}).client.meta.region_name == "eu-north-1"


class TestConfiguration:
    @pytest.mark.parametrize("name", SETTINGS)
    def test_checksums_are_only_where_required(self, options, name):
        assert configured(options, name) == "when_required"

    @pytest.mark.parametrize("name", SETTINGS)
    def test_checksums_are_the_user_s(self, options, name, monkeypatch, profile):
        given: Any = {name: "when_supported"}
        in_client = {"config": Config(**given)}
        assert configured(attrs.evolve(options, client_kwargs=in_client), name) == "when_supported"
        profile(**{name: "when_supported"})
        assert configured(S3Options({"profile_name": "p"}), name) == "when_supported"
        assert configured(S3Options(), name) == "when_required"
        monkeypatch.setenv(f"AWS_{name.upper()}", "when_supported")
        assert configured(S3Options(), name) == "when_supported"

    @pytest.mark.parametrize(
        ("given", "pool"), [(None, 40), (5, 40), (100, 100)], ids=["none", "fewer", "more"]
    )
    def test_there_is_a_connection_for_each_thread(self, given, pool):
        config = {} if given is None else {"config": Config(max_pool_connections=given)}
        options = S3Options({}, config, max_concurrency=40)
        assert configured(options, "max_pool_connections") == pool

    def test_the_rest_of_the_user_s_configuration_stays(self, options):
        config = Config(s3={"addressing_style": "path"}, connect_timeout=3)
        options = attrs.evolve(options, client_kwargs={"config": config})
        assert configured(options, "s3")["addressing_style"] == "path"
        assert configured(options, "connect_timeout") == 3
        assert configured(options, "response_checksum_validation") == "when_required"

    def test_the_user_s_own_session_keeps_its_defaults(self, options):
        from botocore.session import Session

        core = Session()
        core.set_default_client_config(Config(read_timeout=7, max_pool_connections=50))
        options = S3Options({"botocore_session": core, "region_name": "us-east-1"})
        assert configured(options, "read_timeout") == 7
        assert configured(options, "max_pool_connections") == 50


class TestRetries:
    def test_the_client_makes_none(self, options):
        assert configured(options, "retries")["total_max_attempts"] == 1
        assert not retries_itself(options.client)

    @pytest.mark.parametrize(
        "retries",
        [{"max_attempts": 2}, {"mode": "adaptive"}, {"total_max_attempts": 4, "mode": "standard"}],
        ids=str,
    )
    def test_the_client_makes_those_of_the_user(self, options, retries):
        options = attrs.evolve(options, client_kwargs={"config": Config(retries=retries)})
        assert retries_itself(options.client)

    def test_none_by_choice_is_none(self, options):
        config = Config(retries={"max_attempts": 0})
        assert not retries_itself(attrs.evolve(options, client_kwargs={"config": config}).client)

    @pytest.mark.parametrize(
        ("name", "value"), [("max_attempts", "5"), ("retry_mode", "adaptive")], ids=str
    )
    def test_environment_and_profile_count(self, name, value, monkeypatch, profile):
        profile(**{name: value})
        assert retries_itself(S3Options({"profile_name": "p"}).client)
        assert not retries_itself(S3Options().client)
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
        assert retries_itself(S3Options().client)


class TestTransfers:
    def test_what_is_open_suits_the_threads(self, options):
        many: Any = options.transfer(threads=3)
        assert (many.use_threads, many.max_concurrency) == (True, 3)
        assert many.max_request_concurrency == 3
        assert (many.num_download_attempts, many.preferred_transfer_client) == (1, "classic")
        assert many.multipart_threshold == 8 * 1024 * 1024

    def test_a_share_of_one_takes_no_further_threads(self, options):
        with ThreadPoolExecutor(1) as thread:
            assert not thread.submit(lambda: options.transfer(threads=1)).result().use_threads

    def test_the_main_thread_is_never_the_transfer_s(self, options):
        assert options.transfer(threads=1).use_threads
        config = TransferConfig(use_threads=False, max_concurrency=9)
        one = attrs.evolve(options, transfer_config=config).transfer(threads=1)
        assert (one.use_threads, one.max_concurrency) == (True, 1)

    @pytest.mark.parametrize(
        ("objects", "each", "in_flight"), [(3, 1, 3), (5, 4, 20), (99, 9, 256)]
    )
    def test_a_narrow_one_makes_so_many_requests(self, options, objects, each, in_flight):
        narrow = attrs.evolve(
            options, transfer_config=TransferConfig(max_bandwidth=7, max_concurrency=5)
        ).narrowed(objects=objects, requests_each=each)
        assert narrow.max_concurrency == objects * each
        assert narrow.max_in_flight == in_flight
        assert narrow.session_kwargs == options.session_kwargs
        assert narrow.client is not options.client
        transfer = narrow.transfer(threads=8)
        assert (transfer.max_request_concurrency, transfer.max_bandwidth) == (each, 7)

    def test_what_the_user_set_stays(self, options):
        config = TransferConfig(
            use_threads=True, max_concurrency=7, num_download_attempts=3, multipart_chunksize=999
        )
        given = attrs.evolve(options, transfer_config=config).transfer(threads=1)
        assert (given.use_threads, given.max_concurrency) == (True, 7)
        assert (given.num_download_attempts, given.multipart_chunksize) == (3, 999)
        assert not is_set(config, "preferred_transfer_client")


class TestModels:
    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_what_botocore_knows_of_services_is_read_once(self, monkeypatch):
        assert connect(S3Options({"region_name": "us-east-1"})).client is not None
        read = []
        load = JSONFileLoader.load_file

        def note(self, path):
            read.append(path)
            return load(self, path)

        monkeypatch.setattr(JSONFileLoader, "load_file", note)
        others = [connect(S3Options({"region_name": name})) for name in ("a", "b", "c")]
        assert read == []
        assert len({id(each.client) for each in others}) == 3
        assert ended(forked(lambda: bool(connect(S3Options()).client) and not read)) == [0]

    def test_nothing_is_added_by_each_client(self):
        paths = client._models(None).search_paths
        connect(S3Options())
        once = list(paths)
        connect(S3Options())
        assert paths == once
        assert len(set(once)) == len(once)

    def test_who_has_models_of_his_own_gets_these(self, tmp_path, monkeypatch, profile):
        profile(data_path=str(tmp_path))
        ours, theirs = client._models(None), connect(S3Options({"profile_name": "p"}))
        assert theirs.client is not None
        assert str(tmp_path) in client._models(str(tmp_path)).search_paths
        assert str(tmp_path) not in ours.search_paths
