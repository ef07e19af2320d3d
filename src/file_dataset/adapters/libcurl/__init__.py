"""What the stores share that reach their objects by libcurl."""
