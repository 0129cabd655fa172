# Every function of corescan.h is exported, and nothing else is.
library=$(dirname "$CORESCAN")/libcorescan.so.0
nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ { print $3 }' | grep -v -E '^(_init|_fini|__odr_asan.*)$' | sort > exported
grep -o 'corescan_[a-z_]*(' "$TOP/include/corescan/corescan.h" | tr -d '(' | sort -u > declared
diff declared exported
