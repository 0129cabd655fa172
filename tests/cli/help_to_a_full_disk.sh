[ -w /dev/full ] || { echo "no /dev/full here" >&2; exit 77; }
"$CORESCAN" --help > /dev/full
