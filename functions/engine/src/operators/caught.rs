//! Panics of operators, caught and returned as errors of the run.
//!
//! ONNX Runtime calls operators through C, where a panic would end the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput};

/// An operator whose panics are errors. What it leaves half written, its next run must write anew.
pub(super) struct Caught<O>(pub(super) O);

impl<O: Operator> Operator for Caught<O> {
    type Kernel<'attr> = CaughtKernel<O::Kernel<'attr>>;

    const INPLACES: &[(u32, u32)] = O::INPLACES;
    const ALIASES: &[(u32, u32)] = O::ALIASES;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        self.0.inputs()
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        self.0.outputs()
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        let kernel = caught(self.name(), || self.0.create_kernel(context))?;
        Ok(CaughtKernel { operator: self.name().to_owned(), kernel })
    }
}

pub(super) struct CaughtKernel<K> {
    operator: String,
    kernel: K,
}

impl<K: Kernel> Kernel for CaughtKernel<K> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        caught(&self.operator, || self.kernel.compute(context))
    }
}

fn caught<R>(operator: &str, run: impl FnOnce() -> ort::Result<R>) -> ort::Result<R> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        Err(ort::Error::new(format!("the operator {operator} panicked: {}", message(&*payload))))
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use kernels::ThreadPool;
    use ort::operator::OperatorDomain;
    use ort::session::Session;
    use ort::value::{Tensor, TensorElementType};
    use prost::encoding::{WireType, encode_key, encode_varint};

    use super::*;
    use crate::operators::context;
    use crate::runtime;

    /// `y = x` on the threads of a pool; item 40 of 64 panics if `x` is negative.
    struct Positive(std::sync::Arc<ThreadPool>);

    impl Operator for Positive {
        type Kernel<'attr> = Self;

        fn name(&self) -> &str {
            "Positive"
        }

        fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
            [OperatorInput::required(TensorElementType::Float32)]
        }

        fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
            [OperatorOutput::required(TensorElementType::Float32)]
        }

        fn create_kernel<'attr>(&self, _: &KernelContext<'attr>) -> ort::Result<Self> {
            Ok(Self(std::sync::Arc::clone(&self.0)))
        }
    }

    impl Kernel for Positive {
        fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
            let input = context::Tensor::<f32>::input(context, 0)?;
            let output = context::Tensor::<f32>::output(context, 0, input.shape)?;
            // SAFETY: the input does not change while the operator runs, and the output is memory of its own.
            let (x, y) = unsafe { (input.numbers(), output.numbers_mut()) };
            self.0.run(64, |item| assert!(item != 40 || x[0] >= 0.0, "{} is negative", x[0]));
            y.copy_from_slice(x);
            Ok(())
        }
    }

    fn bytes(number: u32, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut field = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut field);
        encode_varint(bytes.as_ref().len() as u64, &mut field);
        field.extend_from_slice(bytes.as_ref());
        field
    }

    fn number(number: u32, value: u64) -> Vec<u8> {
        let mut field = Vec::new();
        encode_key(number, WireType::Varint, &mut field);
        encode_varint(value, &mut field);
        field
    }

    /// A model of one node: `y = Positive(x)`, both f32 `[1]` (numbers of fields as in `onnx.proto`).
    fn model() -> Vec<u8> {
        let shape = bytes(1, number(1, 1));
        let tensor = bytes(1, [number(1, 1), bytes(2, shape)].concat());
        let value = |name: &str| [bytes(1, name), bytes(2, &tensor)].concat();
        let node = [bytes(1, "x"), bytes(2, "y"), bytes(4, "Positive"), bytes(7, "test")].concat();
        let graph =
            [bytes(1, node), bytes(2, "graph"), bytes(11, value("x")), bytes(12, value("y"))].concat();
        let standard = bytes(8, [bytes(1, ""), number(2, 17)].concat());
        let test = bytes(8, [bytes(1, "test"), number(2, 1)].concat());
        [number(1, 8), bytes(7, graph), standard, test].concat()
    }

    /// The run fails and says why, wherever the panic was; the session, the operator and its threads work afterwards.
    #[test]
    fn a_panic_is_an_error_of_its_run_alone() {
        let environment = runtime::environment().unwrap();
        for threads in [1, 2] {
            let pool = std::sync::Arc::new(ThreadPool::new(threads).unwrap());
            let domain = OperatorDomain::new("test").unwrap().add(Caught(Positive(pool))).unwrap();
            let builder = Session::builder(&environment).unwrap().with_operators(domain).unwrap();
            let mut session = { builder }.commit_from_memory(&model()).unwrap();
            for x in [1.0, -2.0, 3.0, -4.0, 5.0_f32] {
                let input = Tensor::from_array(([1], vec![x])).unwrap();
                match session.run(ort::inputs!["x" => input]) {
                    Ok(outputs) => {
                        assert!(x > 0.0);
                        assert_eq!(outputs["y"].try_extract_tensor::<f32>().unwrap().1, [x]);
                    }
                    Err(error) => {
                        let expected = format!("the operator Positive panicked: {x} is negative");
                        assert!(x < 0.0 && error.to_string().contains(&expected), "{error}");
                    }
                }
            }
        }
    }
}
