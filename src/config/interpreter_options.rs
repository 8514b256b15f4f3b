//! `<WSGIInterpreterOptions>`: settings of the interpreters that its selectors match.

use super::values::group_literal;

/// The settings that a block can make. The same words outside of blocks are the weakest layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// `WSGIPythonPath`
    pub(crate) python_path: Option<String>,
    /// `WSGISwitchInterval`, in seconds
    pub(crate) switch_interval: Option<f64>,
    /// `WSGIPerInterpreterGIL`
    pub(crate) per_interpreter_gil: Option<bool>,
    /// `WSGIFreeThreading`
    pub(crate) free_threading: Option<bool>,
    /// `WSGIRestrictStdin`
    pub(crate) restrict_stdin: Option<bool>,
    /// `WSGIRestrictStdout`
    pub(crate) restrict_stdout: Option<bool>,
    /// `WSGIRestrictSignal`
    pub(crate) restrict_signal: Option<bool>,
}

/// One block.
#[derive(Clone, Debug, Default, PartialEq)]
struct Block {
    process_group: Option<String>,
    application_group: Option<String>,
    options: Options,
}

/// All blocks and the layer below them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct InterpreterOptions {
    top: Options,
    blocks: Vec<Block>,
    /// The blocks that are open while the configuration is read, outermost first.
    open: Vec<usize>,
}

/// What is in force for one interpreter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved<'c> {
    /// Layers of directories, the weakest first.
    pub(crate) python_paths: Vec<&'c str>,
    pub(crate) switch_interval: Option<SwitchInterval>,
    pub(crate) per_interpreter_gil: bool,
    pub(crate) restrict_stdin: bool,
    pub(crate) restrict_stdout: bool,
    pub(crate) restrict_signal: bool,
}

/// A switch interval, and whether it was meant for one application group only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SwitchInterval {
    pub(crate) seconds: f64,
    pub(crate) for_application_group: bool,
}

impl InterpreterOptions {
    /// Opens a block.
    ///
    /// # Errors
    /// A selector that is unknown, has no value, or stands twice.
    pub(crate) fn open(&mut self, selectors: &[&str]) -> Result<(), String> {
        let mut block = Block::default();
        for word in selectors {
            let (name, value) = word.split_once('=').ok_or_else(|| unexpected(word))?;
            let place = match name.to_ascii_lowercase().as_str() {
                "process-group" => &mut block.process_group,
                "application-group" => &mut block.application_group,
                _ => return Err(unexpected(word)),
            };
            if place.replace(group_literal(value).to_owned()).is_some() {
                return Err(format!("'{name}' is given twice; expected it once"));
            }
        }
        self.open.push(self.blocks.len());
        self.blocks.push(block);
        Ok(())
    }

    /// Closes the innermost block.
    pub(crate) fn close(&mut self) {
        self.open.pop();
    }

    /// Where a setting goes that stands here: the innermost open block, or the layer below all blocks.
    pub(crate) fn here(&mut self) -> &mut Options {
        match self.open.last() {
            Some(block) => &mut self.blocks[*block].options,
            None => &mut self.top,
        }
    }

    /// Whether the setting that stands here is for one application group.
    pub(crate) fn is_for_application_group(&self) -> bool {
        self.open.last().is_some_and(|block| self.blocks[*block].application_group.is_some())
    }

    /// The blocks that match, the weakest first: more selectors are stronger, then the later one.
    fn matching(&self, process_group: &str, application_group: &str) -> Vec<&Block> {
        let is = |selector: &Option<String>, name: &str| selector.as_ref().is_none_or(|selector| selector == name);
        let matches =
            |block: &&Block| is(&block.process_group, process_group) && is(&block.application_group, application_group);
        let mut blocks: Vec<_> = self.blocks.iter().filter(matches).collect();
        blocks.sort_by_key(|block| {
            usize::from(block.process_group.is_some()) + usize::from(block.application_group.is_some())
        });
        blocks
    }

    /// What is in force for an interpreter of a process; `base_path` is below the paths of all blocks.
    pub(crate) fn resolve<'c>(
        &'c self,
        process_group: &str,
        application_group: &str,
        base_path: Option<&'c str>,
    ) -> Resolved<'c> {
        let blocks = self.matching(process_group, application_group);
        let strongest = |field: fn(&Options) -> Option<bool>, default: bool| {
            let said = blocks.iter().rev().find_map(|block| field(&block.options));
            said.or(field(&self.top)).unwrap_or(default)
        };
        let interval = |options: &Options, for_application_group| {
            options.switch_interval.map(|seconds| SwitchInterval { seconds, for_application_group })
        };
        let in_block =
            blocks.iter().rev().find_map(|block| interval(&block.options, block.application_group.is_some()));
        let paths = blocks.iter().map(|block| block.options.python_path.as_deref());
        Resolved {
            python_paths: core::iter::once(base_path).chain(paths).flatten().collect(),
            switch_interval: in_block.or(interval(&self.top, false)),
            per_interpreter_gil: strongest(|options| options.per_interpreter_gil, false),
            restrict_stdin: strongest(|options| options.restrict_stdin, false),
            restrict_stdout: strongest(|options| options.restrict_stdout, false),
            restrict_signal: strongest(|options| options.restrict_signal, true),
        }
    }

    /// `WSGIPythonPath` outside of blocks, which is for httpd's own processes.
    pub(crate) fn python_path(&self) -> Option<&str> {
        self.top.python_path.as_deref()
    }

    /// Whether a process runs without the GIL. It is one choice per process, so blocks for an application group have no say.
    pub(crate) fn free_threading(&self, process_group: &str) -> bool {
        let matches = |block: &&Block| {
            block.application_group.is_none() && block.process_group.as_ref().is_none_or(|group| group == process_group)
        };
        let mut blocks: Vec<_> = self.blocks.iter().filter(matches).collect();
        blocks.sort_by_key(|block| block.process_group.is_some());
        let said = blocks.iter().rev().find_map(|block| block.options.free_threading);
        said.or(self.top.free_threading).unwrap_or(false)
    }
}

fn unexpected(word: &str) -> String {
    format!("'{word}' is not a selector; expected process-group= or application-group=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(options: &mut InterpreterOptions, selectors: &[&'static str], set: impl FnOnce(&mut Options)) {
        options.open(selectors).expect("valid selectors");
        set(options.here());
        options.close();
    }

    #[test]
    fn more_selectors_are_stronger_wherever_they_stand() {
        let mut options = InterpreterOptions::default();
        block(&mut options, &["process-group=", "application-group=app"], |o| o.restrict_stdin = Some(true));
        block(&mut options, &["application-group=app"], |o| o.restrict_stdin = Some(false));
        assert!(options.resolve("", "app", None).restrict_stdin);
        assert!(!options.resolve("other", "app", None).restrict_stdin);
    }

    #[test]
    fn the_later_of_equally_strong_blocks_wins() {
        let mut options = InterpreterOptions::default();
        block(&mut options, &["application-group=app"], |o| o.restrict_stdin = Some(true));
        block(&mut options, &["application-group=app"], |o| o.restrict_stdin = Some(false));
        assert!(!options.resolve("", "app", None).restrict_stdin);
    }

    #[test]
    fn off_in_a_block_outranks_on_outside() {
        let mut options = InterpreterOptions::default();
        options.here().per_interpreter_gil = Some(true);
        block(&mut options, &["application-group=app"], |o| o.per_interpreter_gil = Some(false));
        assert!(!options.resolve("", "app", None).per_interpreter_gil);
        assert!(options.resolve("", "other", None).per_interpreter_gil);
    }

    #[test]
    fn global_and_nothing_both_name_the_empty_group() {
        let mut options = InterpreterOptions::default();
        block(&mut options, &["application-group=%{GLOBAL}"], |o| o.restrict_stdin = Some(true));
        block(&mut options, &["application-group="], |o| o.restrict_stdout = Some(true));
        let main = options.resolve("", "", None);
        assert!(main.restrict_stdin && main.restrict_stdout);
    }

    #[test]
    fn paths_add_up_from_the_weakest() {
        let mut options = InterpreterOptions::default();
        options.here().python_path = Some("/top".into());
        block(&mut options, &["application-group=app"], |o| o.python_path = Some("/one".into()));
        block(&mut options, &[], |o| o.python_path = Some("/none".into()));
        let paths: Vec<String> = options
            .resolve("", "app", options.python_path())
            .python_paths
            .iter()
            .map(|path| path.to_string())
            .collect();
        assert_eq!(paths, ["/top", "/none", "/one"]);
    }

    #[test]
    fn free_threading_is_one_choice_per_process() {
        let mut options = InterpreterOptions::default();
        block(&mut options, &["application-group=app"], |o| o.free_threading = Some(true));
        assert!(!options.free_threading(""));
        block(&mut options, &["process-group=%{GLOBAL}"], |o| o.free_threading = Some(true));
        assert!(options.free_threading(""));
        assert!(!options.free_threading("other"));
    }

    #[test]
    fn a_bad_selector_is_named() {
        let mut options = InterpreterOptions::default();
        for word in ["server=x", "lonely"] {
            let message = options.open(&[word]).expect_err("no selector");
            assert!(message.contains(word) && message.contains("expected process-group="), "{message}");
        }
        assert!(options.open(&["process-group=a", "PROCESS-GROUP=b"]).is_err());
    }

    fn opened(words: &[String]) -> Result<InterpreterOptions, String> {
        let mut options = InterpreterOptions::default();
        let words: Vec<_> = words.iter().map(|word| &**word).collect();
        options.open(&words).map(|()| options)
    }

    proptest! {
        #[test]
        fn a_block_is_for_what_its_selectors_say_and_nothing_else(
            (process_group, application_group) in ("[ -~\u{e4}]{1,6}", prop::option::of("[ -~\u{e4}]{0,6}")),
            other in "[ -~]{1,6}",
            shout in any::<bool>(),
        ) {
            let in_case = |name: &str| if shout { name.to_ascii_uppercase() } else { name.to_owned() };
            let mut words = vec![format!("{}={process_group}", in_case("process-group"))];
            words.extend(application_group.as_ref().map(|group| format!("{}={group}", in_case("application-group"))));
            let mut options = opened(&words).expect("valid selectors");
            options.here().restrict_stdin = Some(true);
            options.close();
            let group = application_group.as_deref().unwrap_or("any");
            prop_assert!(options.resolve(&process_group, group, None).restrict_stdin);
            prop_assert_eq!(options.resolve(&other, group, None).restrict_stdin, other == process_group);
            let has_say = application_group.is_none_or(|group| group == other);
            prop_assert_eq!(options.resolve(&process_group, &other, None).restrict_stdin, has_say);
        }

        #[test]
        fn any_words_open_a_block_or_are_an_error_that_names_one(
            words in prop::collection::vec("\\PC{0,12}|(process|Application|x)-group=\\PC{0,4}", 0..4)
        ) {
            if let Err(message) = opened(&words) {
                let is_named = |word: &String| {
                    let name = word.split_once('=').map_or(&**word, |(name, _)| name);
                    message.contains(&format!("'{word}'")) || message.contains(&format!("'{name}' is given twice"))
                };
                prop_assert!(words.iter().any(is_named) && message.contains("expected"), "{}", message);
            }
        }
    }
}
