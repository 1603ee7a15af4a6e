/* Shifts the wall clock of the process that preloads it by SHIFT_S seconds; the monotonic clock stays as it is. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift_s;

__attribute__((constructor)) static void read_shift(void) {
    const char *text = getenv("SHIFT_S");
    shift_s = text ? atol(text) : 0;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, which, now);
    if (result == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += shift_s;
    }
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    int result = (int)syscall(SYS_gettimeofday, now, zone);
    if (result == 0) {
        now->tv_sec += shift_s;
    }
    return result;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) {
        *now = found.tv_sec;
    }
    return found.tv_sec;
}
