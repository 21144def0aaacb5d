"""Installs Atelier into a temporary folder, moves that folder, and chats with the server that starts there.

    install_test.py CMAKE BUILD_FOLDER FIXTURE_PROGRAM

What it shows: nothing in an installation depends on the place it was installed to, or on the build tree.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, BUILD_FOLDER, FIXTURE_PROGRAM = sys.argv[1:4]
LIMIT_SECONDS = 120


class InstalledFolder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="atelier-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        first = cls.work / "first"
        installed = subprocess.run([CMAKE, "--install", BUILD_FOLDER, "--prefix", first],
                                   capture_output=True, text=True, timeout=LIMIT_SECONDS)
        if installed.returncode != 0:
            raise RuntimeError("cmake --install failed:\n" + installed.stdout + installed.stderr)
        cls.prefix = cls.work / "moved" / "deeper"
        cls.prefix.parent.mkdir()
        first.rename(cls.prefix)
        cls.environment = {"HOME": str(cls.work / "home"), "ATELIER_HOME": str(cls.work / "home"),
                           "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        # Sanitizer settings of the test run hold for the programs too.
        cls.environment.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        (cls.work / "home").mkdir()
        models = cls.prefix / "share/atelier/models"
        if not list(models.rglob("*.gguf")):
            model = models / "atelier/demo/demo.gguf"
            model.parent.mkdir(parents=True)
            subprocess.run([FIXTURE_PROGRAM, "demo", "--out", model], check=True, capture_output=True,
                           timeout=LIMIT_SECONDS)

    def lms(self, *arguments):
        return subprocess.run([self.prefix / "bin/lms", *arguments], env=self.environment, cwd=self.work,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS)

    def test_layout(self):
        for part in ("bin/atelier", "bin/lms", "lib/atelier/runtimes/default/atelier-engine",
                     "share/atelier/LICENSE"):
            self.assertTrue((self.prefix / part).is_file(), part + " is missing")
        folder = self.prefix / "lib/atelier/runtimes/default"
        runtime = json.loads((folder / "runtime.json").read_text())
        for key in ("exe", "loader", "library_path", "backends_dir"):
            if key in runtime:
                self.assertFalse(os.path.isabs(runtime[key]), f"{key} of runtime.json is absolute")
                self.assertTrue((folder / runtime[key]).exists(), f"{key} of runtime.json is not there")

    def test_no_link_leaves_the_folder(self):
        for path in self.prefix.rglob("*"):
            if path.is_symlink():
                self.assertTrue(path.resolve().is_relative_to(self.prefix.resolve()), f"{path} leads out")
                self.assertTrue(path.exists(), f"{path} leads nowhere")

    def test_chat_from_the_moved_folder(self):
        try:
            started = self.lms("server", "start", "--port", "0")
            self.assertEqual(started.returncode, 0, started.stdout + started.stderr)
            listed = self.lms("ls", "--llm", "--json")
            self.assertEqual(listed.returncode, 0, listed.stderr)
            models = json.loads(listed.stdout)
            self.assertTrue(models, "the server knows no model")
            answer = self.lms("chat", models[0]["modelKey"], "-p", "Hello")
            self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
            self.assertTrue(answer.stdout.strip(), "the answer is empty; stderr: " + answer.stderr)
            self.assert_engine_runs_from(self.prefix)
        finally:
            stopped = self.lms("server", "stop")
        self.assertEqual(stopped.returncode, 0, stopped.stdout + stopped.stderr)

    def assert_engine_runs_from(self, prefix):
        """The engine's program and the inference library it has mapped lie in the installation."""
        engines = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if "atelier-engine" in (process / "cmdline").read_text() and \
                        str(self.work) in (process / "environ").read_text():
                    engines.append((process / "maps").read_text())
            except (OSError, UnicodeDecodeError):
                continue  # ended meanwhile, or another user's
        self.assertTrue(engines, "no engine runs after a chat")
        for maps in engines:
            files = {line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split(maxsplit=5)) == 6}
            self.assertIn(str(prefix.resolve()), "\n".join(files))
            from_build = [name for name in files if name.startswith(os.path.realpath(BUILD_FOLDER))]
            self.assertEqual(from_build, [], "the engine uses files of the build tree")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
