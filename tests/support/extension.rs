//! Extension modules in C, compiled by the test that needs them.

use super::httpd::variable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An extension module that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Extension {
    pub name: &'static str,
    /// By multi-phase initialisation (PEP 489), else by single-phase.
    pub multi_phase: bool,
    /// Whether it says that it is safe without the GIL.
    pub declared: bool,
}

impl Extension {
    /// Compiles it into a directory and returns its file.
    pub fn compile(self, folder: &Path) -> PathBuf {
        let [headers, suffix] = build_settings();
        fs::create_dir_all(folder).expect("a folder");
        let source = folder.join(format!("{}.c", self.name));
        fs::write(&source, self.source()).expect("a source file");
        let file = folder.join(format!("{}{suffix}", self.name));
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O0", "-I", &headers, "-o"])
            .args([&file, &source])
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    }

    fn source(self) -> String {
        let Self { name, multi_phase, declared } = self;
        let init = match (multi_phase, declared) {
            (true, _) => {
                let slots = if declared { "{Py_mod_gil, Py_MOD_GIL_NOT_USED}, " } else { "" };
                format!(
                    "static PyModuleDef_Slot slots[] = {{{slots}\
                     {{Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED}}, {{0, NULL}}}};\n\
                     static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, \"{name}\", .m_slots = slots}};\n\
                     PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModuleDef_Init(&definition); }}\n"
                )
            }
            (false, _) => {
                let declare = if declared { "PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);" } else { "" };
                format!(
                    "static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, \"{name}\", .m_size = -1}};\n\
                     PyMODINIT_FUNC PyInit_{name}(void) {{\n\
                     PyObject *module = PyModule_Create(&definition);\n{declare}\nreturn module; }}\n"
                )
            }
        };
        format!("#include <Python.h>\n{init}")
    }
}

/// The header directory of the Python under test, and what its extensions end with.
fn build_settings() -> [String; 2] {
    let query = "import sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_config_var('EXT_SUFFIX'))";
    let output = Command::new(variable("MOD_WSGI_PYTHON")).args(["-c", query]).output().expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().map(str::to_owned);
    [lines.next().expect("a header folder"), lines.next().expect("a suffix")]
}
