"""The workflow's steps, its configuration, its report and the command line."""
