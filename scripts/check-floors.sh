#!/bin/sh
# Does every #include between rooms obey corescan/FLOORS? Prints those that do not.
cd "$(dirname "$0")/.." || exit 2
find corescan -name '*.[ch]' | LC_ALL=C sort | xargs awk '
	FILENAME == "corescan/FLOORS" {
		if (!/^#/ && NF) {
			known[$1] = 1
			for (i = 2; i <= NF; i++) {
				if (!known[$i]) { print "FLOORS: " $i " stands above " $1; bad = 1 }
				may[$1, $i] = 1
			}
		}
		next
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split(FILENAME, path, "/"); split($0, quoted, "\""); split(quoted[2], target, "/")
		from = path[2]; to = target[1]
		if (to == "corescan" || from == to || (from, to) in may) next
		print FILENAME ":" FNR ": " from " may not include \"" quoted[2] "\""; bad = 1
	}
	END { exit bad }' corescan/FLOORS
