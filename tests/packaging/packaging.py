#!/usr/bin/python3
"""packaging.py BUILD_DIRECTORY: the Debian package of this build holds what it must, asks for exactly the libraries that the
list names (the images install that list), its service and manuals are what systemd and man accept, and its pages point at
nothing that is not there. And what `cmake --install` puts below another prefix fits together. Nothing is installed.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {"kvstore_server": 8, "kvstore_client": 1, "kvstore_tool": 1, "kvstore_bench": 1}
ALWAYS_THERE = {"libc6", "libgcc-s1", "libstdc++6"}  # of every Debian that has apt
OTHER_NEEDS = {"systemd"}
problems = []


def check(true, what):
    if not true:
        problems.append(what)


def run(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def field(package, name):
    return run("dpkg-deb", "--field", package, name).strip()


def real_name(package):
    """A dependency may name what a package provides. The package itself is what the list names."""
    lines = run("dpkg-query", "-W", "-f", "${Package}|${Provides}\n").splitlines()
    providers = [line.split("|")[0] for line in lines if re.search(rf"[|, ]{re.escape(package)}( |,|$)", line)]
    names = {line.split("|")[0] for line in lines}
    return package if package in names or not providers else providers[0]


def check_dependencies(package):
    needed = {real_name(re.split(r"[ (|]", need.strip())[0]) for need in field(package, "Depends").split(",")}
    listed = {line.split()[1] for line in (ROOT / "cmake/packages.txt").read_text().splitlines() if line.startswith("run ")}
    libraries = needed - ALWAYS_THERE - OTHER_NEEDS
    check(libraries == listed, f"kind run of cmake/packages.txt: lacks {libraries - listed}, has needlessly {listed - libraries}")


def check_service(tree):
    # Beside the units that a system has, or its wishes for them would be the complaint.
    shutil.copytree("/usr/lib/systemd/system", tree / "usr/lib/systemd/system", symlinks=True, dirs_exist_ok=True)
    said = run("systemd-analyze", "verify", "--man=no", f"--root={tree}", "kvstore_server.service")
    check(not said, f"systemd-analyze says: {said}")
    unit = (tree / "usr/lib/systemd/system/kvstore_server.service").read_text()
    user = re.search(r"^User=(\S+)$", unit, re.MULTILINE).group(1)
    check("\nExecStart=/usr/bin/kvstore_server\n" in unit, f"the service starts something else: {unit}")
    check(f"\nu {user} " in (tree / "usr/lib/sysusers.d/kvstore.conf").read_text(), f"nobody makes the user {user}")


def check_manuals(tree, version):
    for program, section in PROGRAMS.items():
        page = tree / f"usr/share/man/man{section}/{program}.{section}"
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True,
                              env={"MANWIDTH": "200", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, check=False)
        check(done.returncode == 0 and not done.stderr, f"{page.name}: {done.stderr}")
        check(f"kvstore {version}" in done.stdout, f"{page.name} is not of version {version}")
        told = re.search(r"^EXIT STATUS$(.*?)^\S", done.stdout, re.MULTILINE | re.DOTALL)
        check(told and re.match(r"\s*0\b", told.group(1)), f"{page.name} does not say what the exit codes mean")
    shown = subprocess.run(["man", "-E", "UTF-8", "-l", tree / "usr/share/man/man8/kvstore_server.8"], capture_output=True,
                           text=True, env={"MANWIDTH": "300", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, check=False).stdout
    for line in run(tree / "usr/bin/kvstore_server", "--help").splitlines():
        check(line.strip() in shown, f"kvstore_server.8 does not show: {line}")


def check_pages(folder):
    pages = list(folder.rglob("*.md"))
    check({"README.md", "operations.md", "client.md", "tool.md"} <= {page.name for page in pages}, f"pages: {pages}")
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            check((page.parent / target).exists(), f"{page.relative_to(folder)} points at {target}, which is not packaged")


def check_other_prefix(build, work):
    prefix = work / "prefix"
    for component in ("server", "system"):
        run("cmake", "--install", build, "--prefix", prefix, "--component", component)
    unit = prefix / "lib/systemd/system/kvstore_server.service"
    if not problems:
        server = re.search(r"^ExecStart=(\S+)$", unit.read_text(), re.MULTILINE).group(1)
        check(pathlib.Path(server) == prefix / "bin/kvstore_server", f"below {prefix} the service starts {server}")
        said = run("systemd-analyze", "verify", "--man=no", unit)
        check(not said, f"systemd-analyze says below another prefix: {said}")


def main():
    build = pathlib.Path(sys.argv[1])
    version = re.search(r"^project\(kvstore VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
    work = pathlib.Path(tempfile.mkdtemp(prefix="packaging-", dir=build))
    try:
        run("cpack", "--config", build / "CPackConfig.cmake", "-B", work)
        packages = list(work.glob("*.deb"))
        check(len(packages) == 1, f"cpack made {packages}")
        if not problems:
            package, tree = packages[0], work / "tree"
            run("dpkg-deb", "--extract", package, tree)
            check(field(package, "Version") == version, f"version {field(package, 'Version')}")
            check_dependencies(package)
            check_service(tree)
            check_manuals(tree, version)
            for program in PROGRAMS:
                said = run(tree / "usr/bin" / program, "--version")
                check(said == f"{program} {version}\n", f"{program} --version says {said!r}")
            check_pages(tree / "usr/share/doc/kvstore")
            check_other_prefix(build, work)
            copyright_file = tree / "usr/share/doc/kvstore/copyright"  # where Debian looks for it
            check(copyright_file.exists() and "License: Apache-2.0" in copyright_file.read_text(), "no copyright file")
            for name in ("LICENSE", "THIRD_PARTY_NOTICES", "docs/operations.md"):
                check((tree / "usr/share/doc/kvstore" / name).stat().st_size > 1000, f"{name} is missing")
    finally:
        shutil.rmtree(work)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
