//! Reads one crate: its modules, the items each of them defines, and the paths each of them names.
//!
//! Only what a build without tests compiles is read: items under `#[cfg(test)]` are left out, and
//! so are the files that only such a module declares. All other `cfg`s count as true.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta, UseTree};

/// A module: a file, or a part of one in braces.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its names below the crate's root, which has none.
    pub(crate) path: Vec<String>,
    /// The file that it stands in, below the workspace.
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    /// Declared modules by name. One name has several where `cfg`s choose between them.
    pub(crate) children: HashMap<String, Vec<usize>>,
    /// The names of all other items defined here.
    pub(crate) items: HashSet<String>,
    /// Its `use` declarations, one for each name.
    pub(crate) uses: Vec<Import>,
    /// Paths in the code itself.
    pub(crate) paths: Vec<Named>,
}

/// One name of a `use` declaration.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) named: Named,
    /// What the name is called here. `None` for a glob.
    pub(crate) alias: Option<String>,
}

/// A path as it is written, and where.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// It begins with `::`, so it names another crate.
    pub(crate) is_external: bool,
}

/// Reads the crate whose root is the file `root` below `workspace`. The root is the first module.
///
/// Fails on files that are missing or that do not parse.
pub(crate) fn read(workspace: &Path, root: &Path) -> Result<Vec<Module>, String> {
    let mut reader = Reader {
        workspace,
        modules: Vec::new(),
    };
    let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
    reader.file(root, folder, Vec::new(), None)?;
    Ok(reader.modules)
}

struct Reader<'a> {
    /// What all files are named below.
    workspace: &'a Path,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads a file. `folder` is where the files of its child modules are.
    fn file(
        &mut self,
        file: &Path,
        folder: PathBuf,
        path: Vec<String>,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let text = fs::read_to_string(self.workspace.join(file))
            .map_err(|error| format!("{} could not be read: {error}", file.display()))?;
        let syntax = syn::parse_file(&text)
            .map_err(|error| format!("{} could not be parsed: {error}", file.display()))?;
        self.module(file, &folder, path, parent, &syntax.items)
    }

    fn module(
        &mut self,
        file: &Path,
        folder: &Path,
        path: Vec<String>,
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize, String> {
        let mut names = Names::default();
        for item in items {
            names.define(item);
            names.visit_item(item);
        }
        let id = self.modules.len();
        self.modules.push(Module {
            path: path.clone(),
            file: file.to_path_buf(),
            parent,
            children: HashMap::new(),
            items: names.items,
            uses: names.uses,
            paths: names.paths,
        });
        for item in items {
            let Item::Mod(declared) = item else { continue };
            if is_for_tests(&declared.attrs) {
                continue;
            }
            let name = declared.ident.to_string();
            let mut child_path = path.clone();
            child_path.push(name.clone());
            if let Some((_, items)) = &declared.content {
                let folder = folder.join(&name);
                let child = self.module(file, &folder, child_path, Some(id), items)?;
                self.modules[id].declare(name, child);
                continue;
            }
            for (child, folder) in files_of(self.workspace, declared, file, folder) {
                let child = self.file(&child, folder, child_path.clone(), Some(id))?;
                self.modules[id].declare(name.clone(), child);
            }
        }
        Ok(id)
    }
}

impl Module {
    fn declare(&mut self, name: String, child: usize) {
        self.children.entry(name).or_default().push(child);
    }
}

/// The files that `mod name;` in `file` stands for, each with the folder of its own children.
/// Several are named by `#[cfg_attr(.., path = "..")]`.
fn files_of(
    workspace: &Path,
    declared: &ItemMod,
    file: &Path,
    folder: &Path,
) -> Vec<(PathBuf, PathBuf)> {
    let beside = file.parent().unwrap_or(Path::new(""));
    let mut named = Vec::new();
    for attribute in &declared.attrs {
        match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => {
                if let Expr::Lit(ExprLit {
                    lit: Lit::Str(path),
                    ..
                }) = &pair.value
                {
                    named.push(path.value());
                }
            }
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                named.extend(path_among(list.tokens.clone()));
            }
            _ => {}
        }
    }
    if named.is_empty() {
        let name = declared.ident.to_string();
        let below = folder.join(&name);
        let short = folder.join(format!("{name}.rs"));
        let long = below.join("mod.rs");
        let is_short = workspace.join(&short).exists();
        return vec![(if is_short { short } else { long }, below)];
    }
    named
        .into_iter()
        .map(|path| {
            let child = beside.join(path);
            let folder = child.parent().unwrap_or(beside).to_path_buf();
            (child, folder)
        })
        .collect()
}

/// The string of `path = ".."` among the arguments of a `cfg_attr`.
fn path_among(arguments: TokenStream) -> Option<String> {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    tokens.windows(3).find_map(|window| match window {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Literal(value),
        ] if name == "path" => syn::parse_str::<syn::LitStr>(&value.to_string())
            .ok()
            .map(|path| path.value()),
        _ => None,
    })
}

/// Collects what one module defines and names.
#[derive(Default)]
struct Names {
    items: HashSet<String>,
    uses: Vec<Import>,
    paths: Vec<Named>,
}

impl Names {
    /// Notes the names that an item defines in its module.
    fn define(&mut self, item: &Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(item) => match &item.ident {
                Some(name) => name,
                None => return,
            },
            Item::ForeignMod(block) => {
                self.items
                    .extend(block.items.iter().filter_map(|item| match item {
                        syn::ForeignItem::Fn(item) => Some(item.sig.ident.to_string()),
                        syn::ForeignItem::Static(item) => Some(item.ident.to_string()),
                        syn::ForeignItem::Type(item) => Some(item.ident.to_string()),
                        _ => None,
                    }));
                return;
            }
            _ => return,
        };
        self.items.insert(name.to_string());
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, is_external: bool) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix, is_external);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix, is_external);
                }
                return;
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.import(prefix.clone(), line, is_external, None);
                return;
            }
            UseTree::Name(name) => (&name.ident, &name.ident),
            UseTree::Rename(rename) => (&rename.ident, &rename.rename),
        };
        let mut segments = prefix.clone();
        // `a::{self}` is `a`.
        if name != "self" || segments.is_empty() {
            segments.push(name.to_string());
        }
        let alias = match alias.to_string() {
            own if own == "self" => segments.last().cloned(),
            other => Some(other),
        };
        self.import(segments, name.span().start().line, is_external, alias);
    }

    fn import(
        &mut self,
        segments: Vec<String>,
        line: usize,
        is_external: bool,
        alias: Option<String>,
    ) {
        let named = Named {
            segments,
            line,
            is_external,
        };
        self.uses.push(Import { named, alias });
    }

    /// Paths in a macro's arguments or in its definition, which are tokens and not yet syntax.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_joined = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) if !is_joined => {
                    let line = first.span().start().line;
                    let mut segments = vec![first.to_string()];
                    while is_colon(tokens.peek()) {
                        tokens.next();
                        if !is_colon(tokens.peek()) {
                            break;
                        }
                        tokens.next();
                        let Some(TokenTree::Ident(next)) = tokens.peek() else {
                            break;
                        };
                        segments.push(next.to_string());
                        tokens.next();
                    }
                    self.paths.push(Named {
                        segments,
                        line,
                        is_external: false,
                    });
                    is_joined = false;
                }
                // What follows a dot is a field or a method, and a name after `::` is no beginning.
                TokenTree::Punct(mark) => is_joined = matches!(mark.as_char(), '.' | ':'),
                _ => is_joined = false,
            }
        }
    }
}

fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':')
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes: &[Attribute] = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    /// A module of its own, also in braces.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_external = item.leading_colon.is_some();
        self.use_tree(&item.tree, &mut Vec::new(), is_external);
    }

    /// `pub(in crate::a)` opens something to a module and does not depend on it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    /// Attributes name macros of other crates.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let segments = path.segments.iter();
            self.paths.push(Named {
                segments: segments.map(|segment| segment.ident.to_string()).collect(),
                line: first.ident.span().start().line,
                is_external: path.leading_colon.is_some(),
            });
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something stands under `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return false;
        };
        list.path.is_ident("cfg") && needs_test(list.tokens.clone())
    })
}

fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','))
                .any(|part| needs_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}
