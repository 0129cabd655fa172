# The help goes to stdout.
"$CORESCAN" --help
