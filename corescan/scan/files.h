/* files.h - say which file was found for each module by which means, and which was refused. */
#ifndef CS_SCAN_FILES_H
#define CS_SCAN_FILES_H
#include "scan/scan.h"

/* Anomalies: files of the program and its libraries that are of another build. */
void cs_scan_tell_refused(struct cs_scan *scan);

/* Anomalies: the same of separate debug files that were looked for so far; servers that do
 * not answer. Tells nothing twice. */
void cs_scan_tell_debug(struct cs_scan *scan);

/* Rows of --doctor for each module; looks for all debug files. Once a scan. */
void cs_scan_prove_files(struct cs_scan *scan);
#endif
