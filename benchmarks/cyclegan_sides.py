"""The sides of benchmarks/cyclegan.py: one process each, which answers requests on its standard input.

Each line is a JSON object {"task", "size", "batch", ...}; the answer is a JSON object. Tasks:

  weights  write the weights of all four networks to the file "path", as arrays of a PyTorch state dict (torch alone)
  start    build the networks for this size and batch, with the weights of "path"
  losses   make "steps" steps and return the two objectives of each
  time     make "steps" steps; return {"seconds": processor time of all threads, "wall"} for one of them
  parts    the same for parts of a step: one generator forward and backward, one discriminator, one update
  memory   the largest memory of the process so far, in megabytes
"""

import importlib
import json
import os
import pathlib
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "parity"))

import numpy as np  # noqa: E402

load = importlib.import_module
NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
BLOCKS, FILTERS, POOL, IDENTITY, CYCLE, RATE = 6, 64, 50, 0.5, 10.0, 2e-4


def images(step, size, batch):
    """Return images of both domains in [0, 1], the same for every side."""
    random = np.random.default_rng([step, size])
    coarse = random.random((2, batch, size // 8, size // 8, 3), "float32")
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


class Ours:
    """This library, in float32 or with bfloat16 arithmetic."""

    def __init__(self, precision="float32"):
        self.keras = load("keras")
        self.keras.config.set_dtype_policy(precision)

    def start(self, size, batch, path, identity=IDENTITY):
        from keras_repvis import models, training

        shape = (size, size, 3)
        networks = [models.ResNetGenerator(shape, blocks=BLOCKS, filters=FILTERS) for _ in range(2)]
        networks += [models.PatchDiscriminator(shape, filters=FILTERS) for _ in range(2)]
        with np.load(path) as arrays:
            for name, network in zip(NETWORKS, networks):
                own = {key.split("/")[1]: arrays[key] for key in arrays.files if key.startswith(f"{name}/")}
                models.port_cyclegan_weights(network, own)
        self.learner = training.CycleGAN(*networks, identity_weight=identity, pool_size=POOL)
        self.learner.compile()
        training.wrap_optimizers(self.learner)
        tf = load("tensorflow")
        self.step_function = tf.function(self.learner.train_step, autograph=False)
        self.networks = networks

    def step(self, a, b):
        self.learner.reset_metrics()
        logs = self.step_function((a, b))
        return [float(logs[name]) for name in ("generator_objective", "discriminator_objective")]

    def pieces(self, a, b):
        """Return {name: function without arguments} of the parts of a step."""
        tf = load("tensorflow")
        generator, judge, optimizer = self.networks[0], self.networks[2], self.learner.generator_optimizer
        gradients = [tf.ones_like(variable) for variable in self.learner.generator_variables]

        def learn(network):
            @tf.function(autograph=False)
            def function(x):
                with tf.GradientTape() as tape:
                    value = tf.reduce_mean(tf.square(network(x, training=True)))
                return tape.gradient(value, network.trainable_variables)

            return lambda: function(tf.constant(a))[-1].numpy()

        @tf.function(autograph=False)
        def update():
            optimizer.apply(gradients, self.learner.generator_variables)
            return tf.constant(0)

        return {"generator": learn(generator), "discriminator": learn(judge), "update": lambda: update().numpy()}


class Torch:
    """The same step in PyTorch: networks of tests/parity, the step as the paper and its authors' recipe describe it."""

    def __init__(self):
        self.torch, self.make = load("torch"), load("make_cyclegan_references")

    def _module(self, name, size):
        tables = load("cyclegan_networks")
        if name.startswith("generator"):
            record = tables.Network("ResNetGenerator", (size, size, 3), {"filters": FILTERS, "blocks": BLOCKS})
        else:
            record = tables.Network("PatchDiscriminator", (size, size, 3), {"filters": FILTERS, "layers": 3})
        return self.make.module_of(record)

    def weights(self, path):
        self.torch.manual_seed(0)
        arrays = {}
        for name in NETWORKS:
            for key, value in self._module(name, 64).state_dict().items():
                drawn = self.torch.zeros_like(value) if value.ndim == 1 else 0.02 * self.torch.randn_like(value)
                arrays[f"{name}/{key}"] = drawn.numpy()
        np.savez(path, **arrays)

    def start(self, size, batch, path, identity=IDENTITY):
        torch = self.torch
        self.modules, self.identity = {}, identity
        with np.load(path) as arrays:
            for name in NETWORKS:
                module = self._module(name, size)
                module.load_state_dict({key: torch.tensor(arrays[f"{name}/{key}"]) for key in module.state_dict()})
                self.modules[name] = module
        self.pools = {"a": [], "b": []}

        def adam(*names):
            parameters = [p for name in names for p in self.modules[name].parameters()]
            return torch.optim.Adam(parameters, lr=RATE, betas=(0.5, 0.999))

        self.generators, self.judges = adam(*NETWORKS[:2]), adam(*NETWORKS[2:])

    def _pooled(self, name, drawn):
        """The reference's pool: as long as it fills it gives back what it takes."""
        pool, found = self.pools[name], []
        for image in drawn.detach():
            if len(pool) < POOL:
                pool.append(image)
                found.append(image)
            elif self.torch.rand(1) > 0.5:
                place = int(self.torch.randint(POOL, (1,)))
                found.append(pool[place])
                pool[place] = image
            else:
                found.append(image)
        return self.torch.stack(found)

    def _tensor(self, array):
        return self.torch.tensor(np.ascontiguousarray((2 * array - 1).transpose(0, 3, 1, 2)))

    def step(self, a, b):
        ab, ba, judge_a, judge_b = (self.modules[name] for name in NETWORKS)
        a, b = self._tensor(a), self._tensor(b)

        def asked(scores, answer):
            return ((scores - answer) ** 2).mean()

        for judge in (judge_a, judge_b):
            judge.requires_grad_(False)
        fake_b, fake_a = ab(a), ba(b)
        objective = asked(judge_b(fake_b), 1) + asked(judge_a(fake_a), 1)
        objective = objective + CYCLE * ((ba(fake_b) - a).abs().mean() + (ab(fake_a) - b).abs().mean())
        if self.identity:
            objective = objective + self.identity * CYCLE * ((ab(b) - b).abs().mean() + (ba(a) - a).abs().mean())
        self.generators.zero_grad()
        objective.backward()
        self.generators.step()
        for judge in (judge_a, judge_b):
            judge.requires_grad_(True)
        judged = 0.5 * (asked(judge_b(b), 1) + asked(judge_b(self._pooled("b", fake_b)), 0))
        judged = judged + 0.5 * (asked(judge_a(a), 1) + asked(judge_a(self._pooled("a", fake_a)), 0))
        self.judges.zero_grad()
        judged.backward()
        self.judges.step()
        return [float(objective), float(judged)]

    def pieces(self, a, b):
        x = self._tensor(a)

        def learn(name):
            def function():
                self.modules[name].zero_grad()
                (self.modules[name](x) ** 2).mean().backward()

            return function

        for name in NETWORKS[:2]:
            learn(name)()
        return {"generator": learn(NETWORKS[0]), "discriminator": learn(NETWORKS[2]), "update": self.generators.step}


SIDES = {"ours": Ours, "ours_bfloat16": lambda: Ours("mixed_bfloat16"), "torch": Torch}


def timed(function, repeats):
    processor, wall = time.process_time(), time.perf_counter()
    for repeat in range(repeats):
        function(repeat)
    return {"seconds": (time.process_time() - processor) / repeats, "wall": (time.perf_counter() - wall) / repeats}


def answer(side, task, size=128, batch=1, steps=1, path=None, identity=IDENTITY):
    if task == "weights":
        side.weights(path)
        return {}
    if task == "start":
        side.start(size, batch, path, identity)
        side.step(*images(0, size, batch))  # Traced, or first touched.
        side.start(size, batch, path, identity)
        side.step(*images(0, size, batch))
        return {}
    if task == "memory":
        return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if task == "parts":
        parts = side.pieces(*images(0, size, batch))
        for function in parts.values():
            function()
        return {name: timed(lambda _, function=function: function(), steps) for name, function in parts.items()}
    batches = [images(step + 1, size, batch) for step in range(steps)]
    if task == "losses":
        return {"losses": [side.step(*one) for one in batches]}
    return timed(lambda step: side.step(*batches[step]), steps)


def main(name):
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    side = SIDES[name]()
    for line in sys.stdin:
        try:
            found = answer(side, **json.loads(line))
        except Exception as error:  # The other program says which side failed.
            found = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
