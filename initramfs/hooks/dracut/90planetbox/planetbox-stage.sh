#!/bin/sh
# Runs the boot stage once an interface is up. bootclient tries again by itself; when it has started the
# next kernel, nothing comes back.
for stage in stage1 stage2; do
    getarg "epoxy.$stage=" > /dev/null || continue
    [ ! -e /tmp/planetbox-stage ] || break  # another interface came up earlier
    : > /tmp/planetbox-stage
    if [ "$stage" = stage1 ]; then
        bootclient -action=epoxy.stage1 -add-kargs
    else
        bootclient -action=epoxy.stage2
    fi || { rm -f /tmp/planetbox-stage; warn "planetbox: $stage failed; see above"; }
    break
done
