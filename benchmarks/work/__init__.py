"""What the processes of a measurement do. Each module imports only what its contenders pay for."""
