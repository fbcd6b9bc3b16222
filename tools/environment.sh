# Read by ./fairdial and ./check, which set $root: `prepare run` or `prepare dev` makes sure that
# $venv holds exactly the packages of requirements/run.txt (and dev.txt), and stops with a message
# if that cannot be. When all is ready it starts no Python.

venv=${FAIRDIAL_VENV:-$root/.venv}
case $venv in
    /*) ;;
    *) venv=$PWD/$venv ;;
esac

# A Python path of other software would put its packages before ours.
unset PYTHONPATH PYTHONHOME
# Without compiled files every start would compile everything anew: seconds, not milliseconds.
unset PYTHONDONTWRITEBYTECODE

# Ready means: the environment was finished, for this folder and this Python, from these locks.
is_ready() {
    [ -x "$venv/bin/python" ] && [ ! -e "$venv/fairdial-unfinished" ] &&
        [ "$(cat "$venv/fairdial-place" 2>/dev/null)" = "$root $(readlink -f "$venv/bin/python")" ] &&
        cmp -s "$root/requirements/run.txt" "$venv/fairdial-run.txt" &&
        { [ "$1" = run ] || cmp -s "$root/requirements/dev.txt" "$venv/fairdial-dev.txt"; }
}

prepare() {
    if is_ready "$1"; then
        return
    fi
    for python in "${FAIRDIAL_PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$python" "$root/tools/prepare.py" "$1" "$venv" || exit 1
            return
        fi
    done
    cat >&2 <<'END'
Fairdial needs Python 3.11 or newer, and there is none on PATH.
What to do: install it (Debian, Ubuntu: apt-get install python3 python3-venv), or name one:
    FAIRDIAL_PYTHON=/path/to/python3 ./fairdial
END
    exit 1
}
