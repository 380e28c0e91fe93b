// What Swift cannot see of C: variadic functions and GNU extensions, each with one fixed shape.
#ifndef VARVE_CSYSTEM_H
#define VARVE_CSYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST where the new name is taken.
int varve_rename_exclusive(int old_directory, const char *old_name, int new_directory, const char *new_name);

/// syncfs(2): every dirty page of the file system that holds `fd`.
int varve_sync_file_system(int fd);

/// openat2(2) with RESOLVE_BENEATH, NO_SYMLINKS and NO_MAGICLINKS: never leaves `directory`, follows no link.
int varve_open_beneath(int directory, const char *path, int flags, unsigned int mode);

/// openat2(2) with O_TMPFILE: a new file in `directory` that has no name yet.
int varve_open_unnamed(int directory, unsigned int mode);

/// copy_file_range(2); falls back to read and write where the kernel refuses. Returns 0, or -1 with errno.
int varve_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, int64_t count);

/// Times as plain numbers: which C module owns `struct timespec` depends on what else a Swift module imports.
/// Modification time of the file behind `fd`, in nanoseconds since 1970, or INT64_MIN with errno.
int64_t varve_modified_nanoseconds(int fd);
/// Sets both times of the file behind `fd`.
int varve_set_modified_milliseconds(int fd, int64_t milliseconds);
/// CLOCK_REALTIME in milliseconds since 1970, and CLOCK_MONOTONIC in nanoseconds.
int64_t varve_clock_milliseconds(void);
int64_t varve_monotonic_nanoseconds(void);
/// `st_mtim` of a status, in nanoseconds since 1970.
struct stat;
int64_t varve_status_modified_nanoseconds(const struct stat *status);

/// Raises the soft limit of open files to the hard one, 65,536 at most, and returns what holds now.
int varve_allow_many_files(void);

/// Lets threads share one heap, and gives large pieces back to the system when they are freed. Left to itself glibc has a
/// heap for each thread and keeps ever larger pieces: what a long run holds grows although it uses no more.
void varve_return_freed_memory(void);

/// Width in columns of the terminal behind `fd`, or 0 where it is none.
int varve_terminal_columns(int fd);

#endif
