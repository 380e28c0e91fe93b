#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int varve_rename_exclusive(int old_directory, const char *old_name, int new_directory, const char *new_name) {
    return renameat2(old_directory, old_name, new_directory, new_name, RENAME_NOREPLACE);
}

int varve_sync_file_system(int fd) { return syncfs(fd); }

int varve_open_beneath(int directory, const char *path, int flags, unsigned int mode) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned int)flags,
        .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int varve_open_unnamed(int directory, unsigned int mode) {
    return varve_open_beneath(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

int varve_copy_range(int from, int64_t from_offset, int to, int64_t to_offset, int64_t count) {
    off64_t in = from_offset, out = to_offset;
    while (count > 0) {
        ssize_t moved = copy_file_range(from, &in, to, &out, (size_t)count, 0);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) break;
        if (moved < 0) return -1;
        if (moved == 0) {
            errno = EIO;
            return -1;
        }
        count -= moved;
    }
    char buffer[1 << 16];
    while (count > 0) {
        size_t want = count < (int64_t)sizeof buffer ? (size_t)count : sizeof buffer;
        ssize_t got = pread(from, buffer, want, in);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) errno = EIO;
            return -1;
        }
        for (ssize_t done = 0; done < got;) {
            ssize_t put = pwrite(to, buffer + done, (size_t)(got - done), out + done);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return -1;
            done += put;
        }
        in += got;
        out += got;
        count -= got;
    }
    return 0;
}

int varve_allow_many_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    rlim_t wanted = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > 65536 ? 65536 : limit.rlim_max;
    if (limit.rlim_cur < wanted) limit.rlim_cur = wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
}

void varve_return_freed_memory(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 2 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);
}

int varve_terminal_columns(int fd) {
    struct winsize size;
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

int64_t varve_status_modified_nanoseconds(const struct stat *status) {
    return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

int64_t varve_modified_nanoseconds(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? varve_status_modified_nanoseconds(&status) : INT64_MIN;
}

int varve_set_modified_milliseconds(int fd, int64_t milliseconds) {
    int64_t seconds = milliseconds / 1000, rest = milliseconds % 1000;
    if (rest < 0) {
        seconds -= 1;
        rest += 1000;
    }
    struct timespec time = {.tv_sec = seconds, .tv_nsec = rest * 1000000};
    struct timespec times[2] = {time, time};
    return futimens(fd, times);
}

int64_t varve_clock_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t varve_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
