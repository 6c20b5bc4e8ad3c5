//! Walk over the parameters of a model, each with its name.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::gpt::Gpt;

/// Reads parameters.
pub trait ParameterVisitor {
    /// Called once for each parameter, in the order of the model.
    fn visit<const D: usize>(&mut self, path: &ParameterPath, param: &Param<Tensor<D>>);
}

/// Replaces parameters.
pub trait ParameterMapper {
    /// Called once for each parameter, in the order of the model.
    fn map<const D: usize>(&mut self, path: &ParameterPath, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Shows all parameters of a model to a visitor, and returns the visitor.
pub fn visit<V: ParameterVisitor>(model: &Gpt, visitor: V) -> V {
    let mut walk = Walk { path: ParameterPath::default(), actor: visitor };
    model.visit(&mut walk);
    walk.actor
}

/// Gives all parameters of a model to a mapper, and returns the model and the mapper.
pub fn map<M: ParameterMapper>(model: Gpt, mapper: M) -> (Gpt, M) {
    let mut walk = Walk { path: ParameterPath::default(), actor: mapper };
    let model = model.map(&mut walk);
    (model, walk.actor)
}

/// The fields that lead to a parameter, such as `blocks.0.attention.query.weight`.
#[derive(Clone, Debug, Default)]
pub struct ParameterPath(Vec<Field>);

#[derive(Clone, Debug)]
struct Field {
    name: String,
    /// Type of what the field is in, as burn writes it.
    container_type: String,
}

impl ParameterPath {
    /// Name of the parameter: all fields, separated by dots.
    pub fn name(&self) -> String {
        self.0.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The last field but one, such as `query`.
    pub fn layer(&self) -> &str {
        match &self.0[..] {
            [.., layer, _] => &layer.name,
            _ => "",
        }
    }

    /// The last field, such as `weight`.
    pub fn field(&self) -> &str {
        self.0.last().map_or("", |field| &field.name)
    }

    /// Whether the parameter is the weight of a [`Linear`](super::Linear), `[d_in, d_out]`.
    pub fn is_linear_weight(&self) -> bool {
        self.0.last().is_some_and(|field| field.name == "weight" && field.container_type == "Struct:Linear")
    }

    fn enter(&mut self, name: &str, container_type: &str) {
        self.0.push(Field { name: name.to_owned(), container_type: container_type.to_owned() });
    }

    fn exit(&mut self) {
        self.0.pop();
    }
}

/// Keeps track of the path while burn walks.
struct Walk<A> {
    path: ParameterPath,
    actor: A,
}

impl<V: ParameterVisitor> ModuleVisitor for Walk<V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.actor.visit(&self.path, param);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

impl<M: ParameterMapper> ModuleMapper for Walk<M> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.actor.map(&self.path, param)
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}
