"""The command line `perdure`: `main` registers the commands, one file each."""
