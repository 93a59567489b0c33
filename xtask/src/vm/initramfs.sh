#!/bin/busybox sh
# Loads what the root disk needs and goes over to it.
B=/bin/busybox
$B mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do
    [ -e "$module" ] && $B insmod "$module"
done
tries=0
until [ -b /dev/vda ] && [ -b /dev/vdb ]; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ]; then
        echo "vm: the kernel sees no disks"
        $B poweroff -f
    fi
    $B sleep 0.05
done
$B mount -t ext4 -o noatime,noinit_itable /dev/vda /root || $B poweroff -f
$B mount --move /dev /root/dev
exec $B switch_root /root /sbin/init
