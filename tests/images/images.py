#!/usr/bin/python3
"""images.py: the images, the compose file and the README's container commands, on a real engine.

`./dev docker test` brings the engine. The steps are in order and each stands on those before it: the images are built,
looked at, started, killed, upgraded and stopped, as a user would. The names are those that a user has, so where one of them
is taken it goes to an engine of its own, and at its end it removes all that bear them, whatever came before. On an engine of
its own (KV_ENGINE=own, which scripts/with_engine says) images are nobody's: they stay, for the next time.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from engine import (NETWORK, ROOT, Failed, check, client, compose, docker, exists, healthy, inspect, log_line, moment, on_terminal,
                    run, wait_until)
import readme

IMAGE_MB_MAX = 125
USER = "10001"
CONTAINERS = ["kvstore_server", "kvstore_client", "kvstore_test"]
VOLUMES = ["kvstore_data", "kvstore_restored", "kvstore_test"]
BUILD_STAGE = "kvstore_test:build"
VERSION = re.search(r"^project\(kvstore VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
LEFT_OVER = [BUILD_STAGE, "kvstore_server:other", "kvstore_client:other", "kvstore_tests:latest"]
IMAGES = [*LEFT_OVER, *(f"kvstore_{image}:{tag}" for image in ("server", "client") for tag in ("latest", VERSION))]
OWN_ENGINE = os.environ.get("KV_ENGINE") == "own"
REVISION = run("git", "rev-parse", "HEAD").strip()  # when it begins: the tree may go on while images are made


# --- the images ---------------------------------------------------------------------------------------------------------

def builders():
    """The builders of this engine and its client, first the one that a user gets who asks for none."""
    classic, kit = ("classic", {"DOCKER_BUILDKIT": "0"}), ("BuildKit", {"DOCKER_BUILDKIT": "1"})
    if subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return [kit, classic]
    built_in = int(docker("version", "--format", "{{.Client.Version}}").split(".")[0]) < 23
    return [classic, kit] if built_in else [classic]


def build(setting, tag, *options):
    begin = time.monotonic()
    run("scripts/build_images", *options, bound=1500, environment={**setting, "TAG": tag})
    return time.monotonic() - begin


def images_are_built_by_every_builder():
    (name, setting), *others = builders()
    print(f"   {name}: {build(setting, 'latest'):.0f} s for both images")
    # What is made from here on is made on this build stage, where everything is installed and compiled: to see that the
    # same lines are read to the same end takes no second compilation.
    docker("build", "-f", "Dockerfile.server", "--target", "build", "-t", BUILD_STAGE, ".", bound=1500, environment=setting)
    for other, other_setting in others:
        seconds = build(other_setting, "other", "--build-arg", f"BASE={BUILD_STAGE}")
        print(f"   {other}: {seconds:.0f} s for both, on what {name} had compiled")
        for image in ("kvstore_server", "kvstore_client"):
            one, two = (inspect(f"{image}:{tag}", "Config") for tag in ("latest", "other"))
            for field in ("User", "Env", "Entrypoint", "Volumes", "ExposedPorts", "Healthcheck", "Labels", "StopSignal"):
                check(one.get(field) == two.get(field),
                      f"{image}: {field} is {one.get(field)} from {name}, {two.get(field)} from {other}")


def images_are_small_and_say_where_they_come_from():
    for image in ("kvstore_server", "kvstore_client"):
        megabytes = inspect(image, "Size") / 1e6
        print(f"   {image}: {megabytes:.1f} MB")
        check(megabytes <= IMAGE_MB_MAX, f"{image} is larger than {IMAGE_MB_MAX} MB")
        labels = inspect(image, "Config.Labels")
        check(labels["org.opencontainers.image.revision"].startswith(REVISION), f"{image} is labelled {labels}")
        version = docker("run", "--rm", image, "--version").split()[-1]
        check(labels["org.opencontainers.image.version"] == version, f"{image} is version {version}, labelled {labels}")
        check(inspect(image, "Config.User") == f"{USER}:{USER}", f"{image} runs as another user")
        notices = docker("run", "--rm", "--entrypoint", "cat", image, "/usr/share/doc/kvstore/THIRD_PARTY_NOTICES")
        check("==== libgrpc++-dev ====" in notices, f"{image} has no notices of what is compiled in")
        check(inspect(f"{image}:{VERSION}", "Id") == inspect(f"{image}:latest", "Id"), f"{image}:{VERSION} is another image")
    manifest = (ROOT / "packaging/kubernetes.yaml").read_text(encoding="utf-8")
    for image in re.findall(r"^ *image: (\S+)$", manifest, re.MULTILINE):
        check(exists("image", image), f"nothing here makes the image {image} of packaging/kubernetes.yaml")
    for tool in ("kvstore_tool", "kvstore_bench"):
        docker("run", "--rm", "--entrypoint", tool, "kvstore_client", "--help")


# --- with compose -------------------------------------------------------------------------------------------------------

def compose_makes_the_images_that_are_missing():
    images = ("kvstore_server", "kvstore_client")
    docker("image", "rm", *images)  # The name: what was built stays, under the version's.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as also:
        json.dump({"services": {name: {"build": {"args": {"BASE": BUILD_STAGE}}} for name in images}}, also)
        also.flush()
        words = ("-f", "docker-compose.yml", "-f", also.name)
        compose(*words, "create", bound=1500,
                environment={**builders()[0][1], "REVISION": REVISION, "SOURCE": "of-the-test"})
        for name in images:  # of the container that is to run it, too
            image = json.loads(docker("image", "inspect", name))[0]
            wanted = {"title": name, "revision": REVISION, "source": "of-the-test", "version": VERSION}
            labels = {key: image["Config"]["Labels"].get(f"org.opencontainers.image.{key}") for key in wanted}
            check(labels == wanted, f"compose has made {name} with the labels {labels}")
            check(inspect(name, "Image") == image["Id"], f"the container {name} has another image")
        compose(*words, "down", "--volumes")
    for name in images:
        docker("tag", f"{name}:{VERSION}", name)


def compose_brings_up_a_healthy_server_and_then_its_client():
    begin = time.monotonic()
    compose("up", "-d", "--wait")
    print(f"   up and healthy after {time.monotonic() - begin:.1f} s")
    check(healthy("kvstore_server"), "the server is not healthy")
    # For health checks that were written for that program.
    docker("exec", "kvstore_server", "grpc_health_probe", "-addr=127.0.0.1:50051")
    docker("exec", "kvstore_server", "grpc_health_probe", "-addr=127.0.0.1:1", fails=True)
    serving, _ = log_line("kvstore_server", "serving on")
    check(moment(inspect("kvstore_client", "State.StartedAt")) > serving, "the client did not wait for the server's health")
    compose("run", "--rm", "kvstore_client", "set", "name", "johndoe")
    check(compose("run", "--rm", "kvstore_client", "get", "name").endswith("johndoe"), "compose run finds no johndoe")


def server_has_no_rights_and_writes_nowhere_but_data():
    check(inspect("kvstore_server", "HostConfig.ReadonlyRootfs"), "the root file system can be written")
    docker("exec", "kvstore_server", "touch", "/anything", fails=True)
    status = dict(line.split(":\t") for line in docker("exec", "kvstore_server", "cat", "/proc/1/status").splitlines())
    check(status["Name"] == "kvstore_server", f"process 1 is {status['Name']}")
    check(status["Uid"].split() == [USER] * 4 and status["Gid"].split() == [USER] * 4, f"it runs as {status['Uid']}")
    rights = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}
    check([int(value, 16) for value in rights.values()] == [0, 0, 0, 1], f"it has rights: {rights}")
    written = docker("diff", "kvstore_server").split()
    check(not written, f"it wrote outside /data: {written}")


def port_is_published_on_loopback_alone():
    ports = {port: where for port, where in inspect("kvstore_server", "NetworkSettings.Ports").items() if where}
    check(ports == {"50051/tcp": [{"HostIp": "127.0.0.1", "HostPort": "50051"}]}, f"published: {json.dumps(ports)}")


def killed_server_has_every_key_that_it_answered_for():
    mode = json.loads(client("--output", "json", "status"))["mode"]
    check(mode == "HYBRID", f"the mode by default is HYBRID, this server's is {mode}")
    writer = subprocess.Popen(["docker", "run", "-i", "--rm", "--network", NETWORK, "kvstore_client"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answered = 0
    try:
        for number in range(100_000):
            writer.stdin.write(f"set key{number} value{number}\n")
            writer.stdin.flush()
            if not writer.stdout.readline().startswith("Set operation successful"):
                break
            answered = number + 1
            if answered == 300:
                killer = subprocess.Popen(["docker", "kill", "-s", "KILL", "kvstore_server"], stdout=subprocess.DEVNULL)
    except BrokenPipeError:
        pass
    finally:
        writer.stdin.close()
        writer.wait(30)
    check(killer.wait(30) == 0 and 300 <= answered < 100_000, f"the kill did not come: {answered} answers")
    check(inspect("kvstore_server", "State.ExitCode") == 137, "the server did not die by SIGKILL")
    docker("start", "kvstore_server")
    wait_until(lambda: healthy("kvstore_server"), "healthy after a kill")
    keys = set(client("--output", "raw", "keys").split())
    missing = [number for number in range(answered) if f"key{number}" not in keys]
    check(not missing, f"{answered} keys were answered for, these are gone: {missing}")
    check(client("get", f"key{answered - 1}") == f"value{answered - 1}", "the last value is another one")
    check(client("get", "name") == "johndoe", "name is gone")
    print(f"   killed after {answered} answers, all there")


def upgrade_replaces_the_container_and_keeps_the_data():
    before = inspect("kvstore_server", "Id")
    docker("build", "-q", "-f", "Dockerfile.server", "-t", "kvstore_server", "--build-arg", "VERSION=next", ".", bound=1500,
           environment=builders()[0][1])
    compose("up", "-d", "--wait")
    check(inspect("kvstore_server", "Id") != before, "the container is still the old one")
    check(inspect("kvstore_server", "Config.Labels")["org.opencontainers.image.version"] == "next", "the image is the old one")
    _, line = log_line("kvstore_server", "after a clean stop")
    check(client("get", "name") == "johndoe", f"name is gone, although: {line}")


def tool_reads_the_volume_of_a_stopped_server():
    docker("stop", "kvstore_server")
    check(inspect("kvstore_server", "State.ExitCode") == 0, "the stop was not clean")
    docker("run", "--rm", "-v", "kvstore_data:/data:ro", "--entrypoint", "kvstore_tool", "kvstore_client", "check", "/data")
    docker("start", "kvstore_server")
    wait_until(lambda: healthy("kvstore_server"), "healthy again")


def backup_and_restore_work_as_the_page_says():
    folder = tempfile.mkdtemp(prefix="backup-", dir=ROOT / "build")
    try:
        for line in readme.commands("docs/operations.md", "Backup and restore"):
            run("bash", "-euc", f"cd '{folder}'; {line}", bound=300)
    finally:
        docker("run", "--rm", "--user", "0", "-v", f"{folder}:/backups", "--entrypoint", "sh", "kvstore_server", "-c", "rm -rf /backups/*")
        os.rmdir(folder)
    docker("run", "-d", "--name", "kvstore_test", "-v", "kvstore_restored:/data", "kvstore_server")
    wait_until(lambda: healthy("kvstore_test"), "healthy on what was restored")
    value = docker("exec", "kvstore_test", "kvstore_client", "get", "name").strip()
    check(value == "johndoe", f"restored is: {value}")
    docker("rm", "-fv", "kvstore_test")
    docker("volume", "rm", "kvstore_restored")


def tests_and_bench_have_profiles_and_a_server_of_their_own():
    services = compose("config", "--services").split()
    check(sorted(services) == ["kvstore_client", "kvstore_server"], f"up starts {services}")
    compose("run", "--rm", "kvstore_tests", bound=300)
    print("   " + compose("run", "--rm", "kvstore_bench", "--preset", "set", "--closed", "64", "--duration", "1s").splitlines()[-1])
    compose("rm", "-fsv", "kvstore_scratch")
    check(client("get", "name") == "johndoe", "the tests came at the data of the server that people use")
    compose("down")
    check(exists("volume", "kvstore_data"), "down took the data along")
    docker("volume", "rm", "kvstore_data")


# --- by hand ------------------------------------------------------------------------------------------------------------

def readme_says_commands_that_work():
    readme.run_commands()


def compose_goes_on_with_what_was_made_by_hand():
    compose("up", "-d", "--wait")
    check(client("get", "typed") == "by hand", "the data of the container that was started by hand is not there")
    compose("down")


def start_and_stop_of_an_empty_server():
    """Seconds from the container's start until it serves, and from `docker stop` until it is gone."""
    docker("volume", "rm", "-f", "kvstore_test")
    docker("run", "-d", "--name", "kvstore_test", "--read-only", "--cap-drop", "ALL", "-v", "kvstore_test:/data", "kvstore_server")
    wait_until(lambda: healthy("kvstore_test"), "healthy")
    began = moment(inspect("kvstore_test", "State.StartedAt"))
    serving, _ = log_line("kvstore_test", "serving on")
    begin = time.monotonic()
    docker("stop", "kvstore_test")
    stopped = time.monotonic() - begin
    _, own_words = log_line("kvstore_test", "stopped after")
    print(f"   serving {1000 * (serving - began):.0f} ms after the start, gone {1000 * stopped:.0f} ms after `docker stop` began")
    print(f"   {own_words}")
    check(inspect("kvstore_test", "State.ExitCode") == 0, "the stop was not clean: " + docker("logs", "kvstore_test"))
    docker("rm", "-v", "kvstore_test")
    return serving - began, stopped


def empty_server_starts_and_stops_within_a_second():
    # The best of three: what the machine does besides can only make it longer.
    starts, stops = zip(*(start_and_stop_of_an_empty_server() for _ in range(3)))
    check(min(starts) < 1, f"a start with an empty volume took {min(starts):.2f} s at best")
    check(min(stops) < 1, f"a stop of an idle server took {min(stops):.2f} s at best")


def volume_that_cannot_be_written_gives_one_clear_error():
    docker("run", "--rm", "--user", "0", "--entrypoint", "chown", "-v", "kvstore_test:/data", "kvstore_server", "0:0", "/data")
    docker("run", "--name", "kvstore_test", "-v", "kvstore_test:/data", "kvstore_server", fails=True)
    check(inspect("kvstore_test", "State.ExitCode") == 1, f"exit {inspect('kvstore_test', 'State.ExitCode')}")
    errors = [line for line in docker("logs", "kvstore_test").splitlines() if "error" in line.lower()]
    check(len(errors) == 1, f"{len(errors)} lines of errors: {errors}")
    for word in ("/data", "belongs to user id 0", f"runs as {USER}"):
        check(word in errors[0], f"'{word}' is not in: {errors[0]}")
    print("   " + errors[0])


STEPS = [
    images_are_built_by_every_builder, images_are_small_and_say_where_they_come_from,
    compose_makes_the_images_that_are_missing,
    compose_brings_up_a_healthy_server_and_then_its_client,
    server_has_no_rights_and_writes_nowhere_but_data,
    port_is_published_on_loopback_alone, killed_server_has_every_key_that_it_answered_for,
    upgrade_replaces_the_container_and_keeps_the_data, tool_reads_the_volume_of_a_stopped_server,
    backup_and_restore_work_as_the_page_says,
    tests_and_bench_have_profiles_and_a_server_of_their_own, readme_says_commands_that_work,
    compose_goes_on_with_what_was_made_by_hand, empty_server_starts_and_stops_within_a_second, volume_that_cannot_be_written_gives_one_clear_error]


def taken_names():
    kinds = [("container", CONTAINERS), ("volume", VOLUMES), ("network", [NETWORK]), ("image", [] if OWN_ENGINE else IMAGES)]
    return [f"{kind} {name}" for kind, names in kinds for name in names if exists(kind, name)]


def clean_up():
    subprocess.run(["docker", "compose", "--profile", "*", "down", "-v", "--timeout", "5"], cwd=os.path.dirname(__file__) + "/../..",
                   capture_output=True, check=False)
    for command in (["rm", "-fv", *CONTAINERS], ["volume", "rm", "-f", *VOLUMES], ["network", "rm", NETWORK],
                    ["image", "rm", "-f", *(LEFT_OVER if OWN_ENGINE else IMAGES)]):
        subprocess.run(["docker", *command], capture_output=True, check=False)


def main():
    taken = taken_names()
    if taken and OWN_ENGINE:
        print(f"the kept engine has {', '.join(taken)} already: remove that in ./dev docker shell --keep", file=sys.stderr)
        return 2
    if taken:
        print(f"this engine has {', '.join(taken)} already: an engine of its own is taken", file=sys.stderr, flush=True)
        os.execv(ROOT / "scripts/with_engine", ["with_engine", "--own", os.path.abspath(__file__)])
    try:
        for step in STEPS:
            begin = time.monotonic()
            print(f"-- {step.__name__.replace('_', ' ')}", flush=True)
            step()
            print(f"   {time.monotonic() - begin:.1f} s", flush=True)
    except (Failed, subprocess.TimeoutExpired) as failed:
        print(f"FAILED: {failed}", flush=True)
        for container in CONTAINERS:
            if exists("container", container):
                print(f"log of {container}:\n{docker('logs', '--tail', '50', container)}")
        return 1
    finally:
        clean_up()
    print(f"{len(STEPS)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
