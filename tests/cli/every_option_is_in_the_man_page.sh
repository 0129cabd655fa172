# What --help lists, the man page explains; and it names no option that is not there.
page=$TOP/docs/corescan.1
"$CORESCAN" --help | grep -o -- '--[a-z][a-z-]*' | sort -u > help
sed 's/\\-/-/g' "$page" | grep -E '^\.(It )?Fl|^\.It Fl' | grep -o 'Fl -[a-z][a-z-]*' | sed 's/Fl -/--/' | sort -u > man
diff help man
