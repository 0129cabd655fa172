command -v mandoc > /dev/null || { echo "no mandoc here" >&2; exit 77; }
mandoc -T lint -W warning "$TOP/docs/corescan.1"
