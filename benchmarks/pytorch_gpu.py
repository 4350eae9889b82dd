#!/usr/bin/env python3
"""What benchmarks/gpu-training measures, by PyTorch: channels last, autocast to
bfloat16, cudnn.benchmark, the fused optimiser; then compiled, replayed from CUDA graphs,
and last with everything tried out, which takes minutes.

    pytorch_gpu.py resnet50|resnet18 BATCH [STEPS]

Exits 77 where there is no PyTorch or no GPU."""
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    print("pytorch_gpu: skipped: there is no PyTorch")
    sys.exit(77)


def norm(convolution):
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


class Block(nn.Module):
    def __init__(self, before, width, stride, bottleneck):
        super().__init__()
        wide = 4 * width if bottleneck else width
        if bottleneck:
            layers = [norm(nn.Conv2d(before, width, 1, bias=False)), nn.ReLU(inplace=True),
                      norm(nn.Conv2d(width, width, 3, stride, 1, bias=False)), nn.ReLU(inplace=True),
                      norm(nn.Conv2d(width, wide, 1, bias=False))]
        else:
            layers = [norm(nn.Conv2d(before, width, 3, stride, 1, bias=False)), nn.ReLU(inplace=True),
                      norm(nn.Conv2d(width, wide, 3, 1, 1, bias=False))]
        self.body = nn.Sequential(*layers)
        self.skip = nn.Identity() if before == wide and stride == 1 else norm(nn.Conv2d(before, wide, 1, stride, bias=False))

    def forward(self, x):
        return torch.relu(self.body(x) + self.skip(x))


def resnet(blocks, bottleneck, classes, large):
    if large:
        layers = [norm(nn.Conv2d(3, 64, 7, 2, 3, bias=False)), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    else:
        layers = [norm(nn.Conv2d(3, 64, 3, 1, 1, bias=False)), nn.ReLU(inplace=True)]
    before = 64
    for stage, count in enumerate(blocks):
        for block in range(count):
            layers.append(Block(before, 64 << stage, 2 if stage > 0 and block == 0 else 1, bottleneck))
            before = (64 << stage) * (4 if bottleneck else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


def measure(how, name, model, batch, side, classes, steps):
    x = torch.rand(batch, 3, side, side, device="cuda").mul_(2).sub_(1).to(memory_format=torch.channels_last)
    y = torch.arange(batch, device="cuda") % 10
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    forward = model if how == "eager" else torch.compile(model, mode=how)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        optimiser.step()
        return loss

    for _ in range(10):
        step()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(steps):
        loss = step()
    torch.cuda.synchronize()
    taken = (time.perf_counter() - begin) / steps
    print(f"pytorch {name} {how}, batch {batch}: {batch / taken:.0f} images/s, loss {loss.item():.3f}", flush=True)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("resnet50", "resnet18"):
        sys.exit(__doc__)
    if not torch.cuda.is_available():
        print("pytorch_gpu: skipped: PyTorch sees no GPU")
        sys.exit(77)
    torch.backends.cudnn.benchmark = True
    name, batch, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 50
    large = name == "resnet50"
    side, classes = (224, 1000) if large else (32, 10)
    for how in ("eager", "reduce-overhead", "max-autotune"):
        torch.compiler.reset()
        torch.manual_seed(1)
        model = resnet([3, 4, 6, 3] if large else [2, 2, 2, 2], large, classes, large)
        measure(how, name, model.cuda().to(memory_format=torch.channels_last), batch, side, classes, steps)


main()
