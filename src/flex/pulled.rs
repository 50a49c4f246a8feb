//! Definitions in files: `{folder}/{name}.json`, each the answer of `GET /metadataDefinitions/{id}/definition` as the server
//! gave it, with `enabled` beside it. Indented, fields in the server's order, so that a change of a definition is a
//! readable difference of two files.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::FlexClient;
use super::definition::{Definition, Field};
use crate::error::{Error, Result};
use crate::staging::safe_name;

/// A definition that was written to its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The definition's name.
    pub name: String,
    /// Whether assets may use it.
    pub enabled: bool,
    /// Its fields, those of complex fields not counted.
    pub fields: usize,
    /// The file.
    pub file: PathBuf,
}

#[derive(Deserialize)]
struct File {
    name: String,
    #[serde(default = "enabled")]
    enabled: bool,
    definition: Vec<Field>,
}

fn enabled() -> bool {
    true
}

/// Writes every definition of the target into `folder`, which is made; each file appears whole, in place of an older one.
/// Ordered by name.
///
/// # Errors
/// When the target does not answer, two definitions have one name, or a file cannot be written.
pub async fn pull(client: &FlexClient, folder: &Path) -> Result<Vec<Pulled>> {
    let unwritable = |path: &Path, cause| {
        Error::staging(path.display().to_string(), "the definitions cannot be written here", cause)
    };
    std::fs::create_dir_all(folder).map_err(|cause| unwritable(folder, cause))?;
    let mut pulled = Vec::new();
    let mut names = BTreeSet::new();
    for item in client.definitions().await? {
        let (Some(id), Some(name)) = (item["id"].as_i64(), item["name"].as_str()) else { continue };
        if !names.insert(name.to_owned()) {
            return Err(Error::preflight(format!("the target has two definitions named {name:?}; rename one")));
        }
        let enabled = item["enabled"].as_bool().unwrap_or(true);
        let mut answer = client.definition_answer(id).await?;
        if let Value::Object(answer) = &mut answer {
            answer.insert("name".into(), name.into());
            answer.insert("enabled".into(), enabled.into());
        }
        let (file, fields) = (file_of(folder, name), answer["definition"].as_array().map_or(0, Vec::len));
        let partial = file.with_extension("json.partial");
        let text = format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default());
        let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, &file));
        written.map_err(|cause| unwritable(&file, cause))?;
        pulled.push(Pulled { name: name.to_owned(), enabled, fields, file });
    }
    pulled.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pulled)
}

/// The definition of this name from its file in `folder`; `None` where there is no such file.
///
/// # Errors
/// [`Error::Config`] when the file is there and cannot be read, or is another definition's.
pub fn read(folder: &Path, name: &str) -> Result<Option<Definition>> {
    let path = file_of(folder, name);
    let unusable = |cause: String| {
        Error::config(format!("{}: {cause}; `telecine flex pull` writes the definitions anew", path.display()))
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unusable(cause.to_string())),
    };
    let file: File = serde_json::from_str(&text).map_err(|cause| unusable(cause.to_string()))?;
    if file.name != name {
        return Err(unusable(format!("it holds the definition {:?}", file.name)));
    }
    Ok(Some(Definition { id: 0, name: file.name, enabled: file.enabled, fields: file.definition }))
}

/// The file of a definition.
pub fn file_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.json", safe_name(name, false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_its_definitions_name_only() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), "a").unwrap().is_none());
        let text =
            r#"{"name": "a", "definition": [{"name": "title", "type": "string", "required": true}], "rules": []}"#;
        std::fs::write(folder.path().join("a.json"), text).unwrap();
        let definition = read(folder.path(), "a").unwrap().unwrap();
        assert!(definition.enabled && definition.fields[0].is_required());
        std::fs::write(folder.path().join("b.json"), text).unwrap();
        std::fs::write(folder.path().join("c.json"), "{").unwrap();
        for (name, part) in [("b", "holds the definition \"a\""), ("c", "EOF")] {
            let error = read(folder.path(), name).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(part), "{error}");
        }
    }
}
