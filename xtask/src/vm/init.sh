#!/bin/busybox sh
# The machine's first process on its root disk: mounts what a Debian system mounts, runs the command of this
# run, and reports its status over the second serial line, apart from the output.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
stty -opost </dev/console
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mount -t ext4 -o ro,noload /dev/vdb /opt || poweroff -f
mkdir -p /run/user/1000 /run/lock
chown 1000:1000 /run/user/1000 /home/agent
chmod 700 /run/user/1000
ip link set lo up
hostname wardline-vm
ln -sfn /opt/modules "/lib/modules/$(uname -r)"
# What is there already is the same file, and may be in use.
/usr/bin/cp -a --no-clobber /opt/root/. / 2>/dev/null
# The kernel asks for the others by itself; for these it waits until their device file is opened.
modprobe -q loop
modprobe -q fuse
modprobe -q tun
cd /
setsid /bin/sh /opt/command </dev/null
status=$?
# A change of the line's settings waits until what was printed is out.
stty opost </dev/console
echo "$status" >/dev/ttyS1
echo 0 >/proc/sys/kernel/printk
poweroff -f
