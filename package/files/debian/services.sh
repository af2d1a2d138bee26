# What postinst, prerm and postrm share; put in front of each. The services may be those of the package or those that
# `agent install` and `api install` wrote; systemd knows. An agent that a command started is no service.
tool=/usr/bin/kelvin-provision
state=/var/lib/kelvin-provision
resume=/run/kelvin-provision.resume
units="kelvin-provision-api.socket kelvin-provision-api.service kelvin-provision-agent.path kelvin-provision-agent.service"

booted() { [ -d /run/systemd/system ]; }

# A change that a terminal or the agent has begun is finished first. flock is the lock of the program, too.
settle() {
	[ -e "$state/lock" ] || return 0
	flock -n "$state/lock" true && return 0
	echo "kelvin-provision: waiting for the change that is under way ($tool workloads list shows it)"
	flock -w 900 "$state/lock" true || {
		echo "kelvin-provision: a change is still under way; try again when it has ended" >&2
		return 1
	}
}

# In good order: a download keeps every byte. What ran is remembered.
stop_all() {
	: >"$resume"
	if booted; then
		for unit in $units; do
			if systemctl -q is-active "$unit"; then echo "$unit" >>"$resume"; fi
		done
		# The socket first: who connects to the API must not start it again. Not a unit by itself: each waits for the others.
		# shellcheck disable=SC2046
		[ ! -s "$resume" ] || systemctl stop $(cat "$resume")
	fi
	! "$tool" agent status --json 2>/dev/null | grep -q '"alive": *true' || {
		"$tool" --quiet agent stop >/dev/null
		echo agent >>"$resume"
	}
}

start_again() {
	[ -e "$resume" ] || return 0
	while read -r unit; do
		if [ "$unit" = agent ]; then
			"$tool" --quiet agent start >/dev/null || echo "kelvin-provision: the agent did not start: $tool agent start" >&2
		else
			systemctl start "$unit" || echo "kelvin-provision: $unit did not start: systemctl status $unit" >&2
		fi
	done <"$resume"
	rm -f "$resume"
}
