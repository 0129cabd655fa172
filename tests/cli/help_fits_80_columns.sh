"$CORESCAN" --help | awk 'length($0) > 80 { print "too long: " $0 }'
