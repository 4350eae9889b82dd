#!/usr/bin/env python3
"""What benchmarks/training measures, by PyTorch: DistributedDataParallel over gloo,
one thread a rank, the same networks, data, batches and optimiser. Prints a line
of JSON.

    pytorch_ddp.py --ranks 2 --model resnet18 --data ~/cifar10 [--channels-last]

One rank goes without DistributedDataParallel. What could slow the peer down and
need not, does not: data are normalised beforehand, the optimiser is the fused
one, gradients live in the buckets, and norms are each rank's own.
"""
import argparse
import gzip
import json
import os
import pathlib
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from torch import nn


def read(folder, samples):
    """Pictures, normalised, and labels of the first samples of MNIST or CIFAR-10."""
    folder = pathlib.Path(folder)
    if (folder / "data_batch_1.bin").exists():
        raw = torch.frombuffer(bytearray((folder / "data_batch_1.bin").read_bytes()), dtype=torch.uint8).view(-1, 3073)[:samples]
        x, y = raw[:, 1:].reshape(-1, 3, 32, 32), raw[:, 0]
        mean, deviation = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    else:
        images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
        x = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 1, 28, 28)[:samples]
        y = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)[:samples]
        mean, deviation = (0.1307,), (0.3081,)
    shape = (1, -1, 1, 1)
    return (x.float() / 255 - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape), y.long()


def lenet(channels, size):
    side = (size // 2 - 4) // 2
    return nn.Sequential(nn.Conv2d(channels, 16, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Conv2d(16, 32, 5),
                         nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32 * side * side, 128), nn.ReLU(inplace=True),
                         nn.Linear(128, 10))


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                                  nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.skip = nn.Identity() if before == width else nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False),
                                                                        nn.BatchNorm2d(width))

    def forward(self, x):
        return torch.relu_(self.body(x) + self.skip(x))


def resnet18(channels, size):
    layers, before = [nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)], 64
    for stage in range(4):
        for block in range(2):
            width = 64 << stage
            layers.append(Block(before, width, 2 if stage > 0 and block == 0 else 1))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def train(rank, o):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = read(o.data, o.samples)
    model = {"lenet": lenet, "resnet18": resnet18}[o.model](x.shape[1], x.shape[2])
    if o.channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if o.ranks > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(o.port))
        dist.init_process_group("gloo", rank=rank, world_size=o.ranks)
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, broadcast_buffers=False)
    sgd = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()
    speeds, share = [], o.batch // o.ranks
    for epoch in range(o.epochs + 1):
        order = torch.randperm(len(y))
        if o.ranks > 1:
            dist.barrier()
        begun, total = time.perf_counter(), 0.0
        for first in range(0, len(y), o.batch):
            mine = order[first + rank * share:first + (rank + 1) * share]
            loss = loss_of(model(x[mine]), y[mine])
            sgd.zero_grad(set_to_none=o.ranks == 1)
            loss.backward()
            sgd.step()
            total += loss.item() * len(mine)
        if epoch > 0:
            speeds.append(round(len(y) / (time.perf_counter() - begun), 1))
    if rank == 0:
        print(json.dumps({"library": "PyTorch " + torch.__version__, "model": o.model, "channels_last": o.channels_last,
                          "ranks": o.ranks, "batch": o.batch, "images_per_second": speeds, "loss": round(total * o.ranks / len(y), 4)}))
    if o.ranks > 1:
        dist.destroy_process_group()


def main():
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--data", required=True)
    line.add_argument("--model", default="lenet", choices=["lenet", "resnet18"])
    line.add_argument("--ranks", type=int, default=1)
    line.add_argument("--batch", type=int, default=128)
    line.add_argument("--samples", type=int, default=1024)
    line.add_argument("--epochs", type=int, default=5)
    line.add_argument("--port", type=int, default=29511)
    line.add_argument("--channels-last", action="store_true")
    o = line.parse_args()
    if o.batch % o.ranks or o.samples % o.batch:
        line.error("ranks must divide the batch, and the batch the samples")
    if o.ranks == 1:
        train(0, o)
    else:
        processes.spawn(train, (o,), o.ranks)


if __name__ == "__main__":
    main()
