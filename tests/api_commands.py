"""What the API has for each command of the terminal, or why it has nothing. A test walks it; docs/api.md shows it."""

WORKLOADS, ONE, EDGE = "/api/v4/workloads", "/api/v4/workloads/{workload_name}", "/edge/v1"
OURS = f"{EDGE}/workloads/{{workload_name}}"
AT_THE_BOX = "starts or ends processes of the box, for which the API has no rights; it starts an agent when none is alive"
USERS = "who may log in is decided at the box"

ROUTES = {
    "workloads deploy": [f"POST {WORKLOADS}/deploy", f"GET {EDGE}/events"],
    "workloads apply": [
        f"POST {WORKLOADS}/apply",
        f"POST {EDGE}/workloads/apply",
        f"POST {EDGE}/workloads/schedule",
        f"POST {EDGE}/workloads/cancel",
        f"GET {OURS}/diff",
    ],
    "workloads diff": [f"GET {OURS}/diff"],
    "workloads list": [f"GET {WORKLOADS}/list", f"GET {EDGE}/events"],
    "workloads show": [f"GET {ONE}/get"],
    "workloads check": [f"GET {OURS}/check"],
    "workloads wait": [f"GET {EDGE}/events"],
    "workloads start": [f"GET {ONE}/start"],
    "workloads stop": [f"GET {ONE}/stop"],
    "workloads hold": [f"POST {OURS}/hold"],
    "workloads release": [f"POST {OURS}/release"],
    "workloads rollback": [f"POST {OURS}/rollback"],
    "workloads history": [f"GET {EDGE}/history", f"POST {EDGE}/history/verify"],
    "workloads undeploy": [f"POST {ONE}/undeploy"],
    "workloads logs": [f"GET {ONE}/logs/get"],
    "images list": [f"GET {EDGE}/images"],
    "images verify": [f"POST {EDGE}/images/verify"],
    "images prune": [f"GET {EDGE}/images/prune", f"POST {EDGE}/images/prune"],
    "agent status": [f"GET {EDGE}/agent"],
    "config show": [f"GET {EDGE}/settings"],
    "config path": [f"GET {EDGE}/settings"],
    "doctor": [f"GET {EDGE}/doctor"],
    "support-bundle": [f"POST {EDGE}/support-bundle"],
    "explain": [f"GET {EDGE}/explain", f"GET {EDGE}/explain/{{word}}"],
}
NONE = {
    "agent run": AT_THE_BOX,
    "agent start": AT_THE_BOX,
    "agent stop": AT_THE_BOX,
    "agent restart": AT_THE_BOX,
    "agent install": AT_THE_BOX,
    "agent uninstall": AT_THE_BOX,
    "api serve": "is the API",
    "api user add": USERS,
    "api user list": USERS,
    "api user passwd": USERS,
    "api user remove": USERS,
    "config set": "settings say whom this box trusts and where it listens: files of its administrator, which the API cannot write",
    "config unset": "as `config set`",
    "completion": "is for a shell",
}
"""See docs/adr/0047."""
