//! A walk over the parameters of a model, each with the path of fields that leads to it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::model::Gpt;

/// Visits every parameter of a model.
pub(crate) trait ParameterVisitor {
    /// Called once for each parameter, in the order of the model, with its path here and whether it
    /// is the weight of a linear map, `[d_in, d_out]`.
    fn visit<const D: usize>(&mut self, path: &str, is_linear_weight: bool, param: &Param<Tensor<D>>);
}

/// Walks over the parameters of a module and keeps track of where it is.
pub(crate) struct Walk<V> {
    path: ModulePath,
    pub(crate) visitor: V,
}

impl<V: ParameterVisitor> Walk<V> {
    pub(crate) fn over(model: &Gpt, visitor: V) -> V {
        let mut walk = Self { path: ModulePath::default(), visitor };
        model.visit(&mut walk);
        walk.visitor
    }
}

impl<V: ParameterVisitor> ModuleVisitor for Walk<V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visitor.visit(&self.path.join(), self.path.is_linear_weight(), param);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

/// Where a walk over a module is: the names of the fields that lead there, and their types.
#[derive(Default)]
pub(super) struct ModulePath(Vec<(String, String)>);

impl ModulePath {
    pub(super) fn enter(&mut self, name: &str, container_type: &str) {
        self.0.push((name.to_owned(), container_type.to_owned()));
    }

    pub(super) fn exit(&mut self) {
        self.0.pop();
    }

    pub(super) fn join(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    pub(super) fn is_linear_weight(&self) -> bool {
        self.0.last().is_some_and(|(name, container)| name == "weight" && container == "Struct:Linear")
    }
}
