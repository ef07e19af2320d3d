"""What the exceptions of botocore, boto3 and s3transfer mean, by the names of their classes.

Only data, and no import of those libraries, which is slow. A test walks their modules and fails
when an exception appears there that is not here, unless the test says why it cannot reach us. In
the words, ``{message}`` is the exception's text, and its own keyword arguments go by their names.
"""

from __future__ import annotations

from collections.abc import Mapping

from file_dataset.adapters.s3.meanings import CHANGED, Meaning
from file_dataset.domain.errors import (
    IntegrityError,
    InvalidUrlError,
    StoreError,
    ThrottledError,
    TransientError,
    UnauthenticatedError,
    UnsupportedError,
)

_SETTINGS = Meaning(
    StoreError, "the settings of the S3 client are not right: {message}", systemic=True
)
_NAME = Meaning(InvalidUrlError, "no S3 client can name this: {message}")
_CANNOT = Meaning(UnsupportedError, "S3 cannot do this with such a bucket: {message}")
_BROKE_OFF = Meaning(TransientError, "the connection broke off: {message}")
_NO_ANSWER = Meaning(TransientError, "no answer in time: {message}")
_FAILED = Meaning(TransientError, "the transfer failed: {message}")
_LOG_IN = Meaning(
    UnauthenticatedError,
    "the credentials could not be had: {message}. If they come from SSO, log in again with "
    "`aws sso login`",
)
_DAMAGED = Meaning(IntegrityError, "checksum mismatch: {message}", again=True)

EXCEPTIONS: Mapping[str, Meaning] = {
    # the network
    "ConnectionError": _BROKE_OFF,
    "ConnectionClosedError": _BROKE_OFF,
    "ResponseStreamingError": _BROKE_OFF,
    "HTTPClientError": _BROKE_OFF,
    "HTTPError": _BROKE_OFF,  # urllib3's own, which botocore does not wrap while a body is read
    "EndpointConnectionError": Meaning(
        TransientError,
        "the endpoint cannot be reached: {message}. Check endpoint_url, region_name and network",
    ),
    "ProxyConnectionError": Meaning(TransientError, "the proxy cannot be reached: {message}"),
    "ConnectTimeoutError": _NO_ANSWER,
    "ReadTimeoutError": _NO_ANSWER,
    "TimeoutError": _NO_ANSWER,
    "SSLError": Meaning(TransientError, "TLS failed: {message}"),
    "SSLCertVerificationError": Meaning(
        StoreError,
        "the certificate of the endpoint is not trusted: {message}. If the store has a "
        "certificate authority of its own, name its bundle by `verify` or AWS_CA_BUNDLE",
        systemic=True,
    ),
    "IncompleteReadError": Meaning(
        TransientError, "truncated read: want {expected_bytes}, got {actual_bytes} bytes"
    ),
    "ResponseParserError": Meaning(
        TransientError,
        "the answer is not one of S3: it was cut off, or the endpoint is something else: {message}",
    ),
    "CapacityNotAvailableError": Meaning(
        ThrottledError, "the client has used up its own budget of retries: {message}"
    ),
    # credentials
    "NoCredentialsError": Meaning(
        UnauthenticatedError,
        "no credentials: there are none in the options, in the environment (AWS_ACCESS_KEY_ID, "
        "AWS_PROFILE), in the files ~/.aws/credentials and ~/.aws/config, or from the container's "
        "or the machine's metadata service. For a public bucket use Options.anonymous(), or give "
        "the client Config(signature_version=botocore.UNSIGNED)",
    ),
    "PartialCredentialsError": Meaning(
        UnauthenticatedError, "half of the credentials are missing: {message}"
    ),
    "ProfileNotFound": Meaning(
        UnauthenticatedError,
        "there is no such profile: {message}. Look at profile_name, AWS_PROFILE and ~/.aws/config",
    ),
    **dict.fromkeys(
        [
            "CredentialRetrievalError",
            "LoginAuthorizationCodeError",
            "LoginError",
            "LoginInsufficientPermissions",
            "LoginRefreshRequired",
            "LoginTokenLoadError",
            "MetadataRetrievalError",
            "NoAuthTokenError",
            "RefreshWithMFAUnsupportedError",
            "SSOError",
            "SSOTokenLoadError",
            "TokenRetrievalError",
            "UnauthorizedSSOTokenError",
        ],
        _LOG_IN,
    ),
    # names
    **dict.fromkeys(
        [
            "InvalidDNSNameError",
            "InvalidHostLabelError",
            "ParamValidationError",
            "UnsupportedS3ArnError",
        ],
        _NAME,
    ),
    **dict.fromkeys(
        [
            "UnsupportedOutpostResourceError",
            "UnsupportedS3AccesspointConfigurationError",
            "UnsupportedS3ConfigurationError",
        ],
        _CANNOT,
    ),
    # bytes
    "ChecksumError": _DAMAGED,
    "FlexibleChecksumError": _DAMAGED,
    "S3ValidationError": Meaning(
        IntegrityError, "the store sent another range than was asked for: {message}", again=True
    ),
    # transfers: what went wrong is what these are wrapped around
    "RetriesExceededError": _FAILED,
    "S3TransferFailedError": _FAILED,
    "S3UploadFailedError": _FAILED,
    "S3DownloadFailedError": CHANGED,
    "S3CopyFailedError": CHANGED,
    # lists
    "PaginationError": Meaning(StoreError, "the store never ends its list: {message}"),
    # settings
    **dict.fromkeys(
        [
            "ApiVersionNotFoundError",
            "BaseEndpointResolverError",
            "ConfigNotFound",
            "ConfigParseError",
            "DataNotFoundError",
            "EndpointProviderError",
            "EndpointResolutionError",
            "EndpointVariantError",
            "InfiniteLoopConfigError",
            "InvalidChecksumConfigError",
            "InvalidConfigError",
            "InvalidCrtTransferConfigError",
            "InvalidDefaultsMode",
            "InvalidEndpointConfigurationError",
            "InvalidEndpointDiscoveryConfigurationError",
            "InvalidIMDSEndpointError",
            "InvalidIMDSEndpointModeError",
            "InvalidMaxRetryAttemptsError",
            "InvalidProxiesConfigError",
            "InvalidRegionError",
            "InvalidRetryConfigurationError",
            "InvalidRetryModeError",
            "InvalidS3AddressingStyleError",
            "InvalidS3UsEast1RegionalEndpointConfigError",
            "InvalidSTSRegionalEndpointsConfigError",
            "MD5UnavailableError",
            "MissingDependencyException",
            "NoRegionError",
            "ServiceNotInRegionError",
            "UnknownEndpointError",
            "UnknownFIPSEndpointError",
            "UnknownServiceError",
            "UnknownSignatureVersionError",
            "UnsupportedSignatureVersionError",
        ],
        _SETTINGS,
    ),
    # what none of the above is a kind of
    "BotoCoreError": Meaning(StoreError, "{message}"),
    "Boto3Error": Meaning(StoreError, "{message}"),
}

WRAPPERS = frozenset(
    {
        "HTTPClientError",
        "RetriesExceededError",
        "S3TransferFailedError",
        "S3UploadFailedError",
        "SSLError",
    }
)
"""The exceptions that say less than the one they were raised because of."""

OF_BODIES = frozenset(
    {
        "FlexibleChecksumError",
        "HTTPError",
        "IncompleteReadError",
        "ResponseStreamingError",
        "S3CopyFailedError",
        "S3DownloadFailedError",
        "S3ValidationError",
    }
)
"""What befalls an answer that has begun well: the client's own retries are over by then."""
