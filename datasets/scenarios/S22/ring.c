// Reads a file and sends it to 198.51.100.23:443, each operation a request of io_uring.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OP_SOCKET 45 // IORING_OP_SOCKET, in newer headers than some.

static struct io_uring_params params;
static int ring;
static char *submissions, *completions;
static struct io_uring_sqe *entries;

static int run(struct io_uring_sqe entry, const char *what) {
    unsigned *tail = (unsigned *)(submissions + params.sq_off.tail);
    unsigned mask = *(unsigned *)(submissions + params.sq_off.ring_mask);
    unsigned *array = (unsigned *)(submissions + params.sq_off.array);
    unsigned at = *tail & mask;
    entries[at] = entry;
    array[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) {
        perror("io_uring_enter");
        exit(1);
    }
    unsigned *head = (unsigned *)(completions + params.cq_off.head);
    unsigned done = *head & *(unsigned *)(completions + params.cq_off.ring_mask);
    int result = ((struct io_uring_cqe *)(completions + params.cq_off.cqes))[done].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-result));
        exit(1);
    }
    return result;
}

int main(int argc, char **argv) {
    static char content[4096];
    if (argc < 2)
        return 2;
    ring = syscall(__NR_io_uring_setup, 4, &params);
    if (ring < 0) {
        perror("io_uring_setup");
        return 1;
    }
    size_t queue = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t results = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    int shared = PROT_READ | PROT_WRITE;
    submissions = mmap(NULL, queue, shared, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    completions = mmap(NULL, results, shared, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    entries = mmap(NULL, params.sq_entries * sizeof *entries, shared, MAP_SHARED, ring, IORING_OFF_SQES);
    if (submissions == MAP_FAILED || completions == MAP_FAILED || entries == MAP_FAILED)
        return 1;

    struct io_uring_sqe open = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)argv[1]};
    int file = run(open, "open");
    struct io_uring_sqe read = {.opcode = IORING_OP_READ, .fd = file, .addr = (unsigned long)content, .len = sizeof content};
    int length = run(read, "read");
    struct io_uring_sqe make = {.opcode = OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM};
    int out = run(make, "socket");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};
    inet_pton(AF_INET, "198.51.100.23", &to.sin_addr);
    struct io_uring_sqe connect = {.opcode = IORING_OP_CONNECT, .fd = out, .addr = (unsigned long)&to, .off = sizeof to};
    run(connect, "connect");
    struct io_uring_sqe send = {.opcode = IORING_OP_SEND, .fd = out, .addr = (unsigned long)content, .len = length};
    run(send, "send");
    return 0;
}
