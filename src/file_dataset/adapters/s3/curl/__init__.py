"""The engine of S3Store that libcurl carries: boto3 resolves and decides, this transfers."""
