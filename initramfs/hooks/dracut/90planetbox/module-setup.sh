#!/bin/bash
# dracut module: planetbox's boot client in an image that dracut makes.
#
#   cp -r initramfs/hooks/dracut/90planetbox /usr/lib/dracut/modules.d/
#   dracut --add planetbox --force stage.img
#
# What it does at boot: when the kernel's command line names epoxy.stage1 or epoxy.stage2, the network is
# brought up from epoxy.ipv4= (or by DHCP) and `bootclient` fetches, checks and starts the next kernel.
# epoxy.stage3 is the booted system's own affair (systemd/planetbox-stage3.service).
#
# PLANETBOX names the executable (/usr/bin/planetbox), PLANETBOX_ETC the directory with ca.pem
# (/etc/planetbox).

# Only when it is asked for: not everybody with planetbox on the disk wants it in the image.
check() {
    [[ -x "${PLANETBOX:-/usr/bin/planetbox}" ]] || return 1
    return 255
}

depends() {
    echo network
}

installkernel() {
    instmods '=drivers/net/ethernet' virtio_net vmxnet3 hv_netvsc xen-netfront
}

install() {
    local program="${PLANETBOX:-/usr/bin/planetbox}" etc="${PLANETBOX_ETC:-/etc/planetbox}" name
    inst_simple "$program" /usr/bin/planetbox || return 1
    ln_r /usr/bin/planetbox /usr/bin/bootclient
    # The boot actions call kexec; ours starts only what was checked.
    ln_r /usr/bin/planetbox /usr/sbin/kexec
    for name in ca.pem plnode.txt build-time; do
        [[ ! -e "$etc/$name" ]] || inst_simple "$etc/$name" "/etc/planetbox/$name"
    done
    [[ -e "$etc/ca.pem" ]] || dwarn "planetbox: no $etc/ca.pem: bootclient will trust no server"
    # Before dracut's own parsers of ip= (parse-ip-opts, 91).
    inst_hook cmdline 20 "$moddir/planetbox-cmdline.sh"
    inst_hook initqueue/online 50 "$moddir/planetbox-stage.sh"
}
