from __future__ import annotations
from dataclasses import dataclass
from functools import cached_property
import numpy as np
import scipy.sparse as sp
from course_lib.sparse.plan import Plan
@dataclass(frozen=True, eq=False)
class CSR:
    values: np.ndarray
    columns: np.ndarray
    pointers: np.ndarray
    shape: tuple
    @classmethod
    def from_dense(cls, weight, mask=None):
        w=np.asarray(weight); m=np.asarray(mask) if mask is not None else w!=0
        r,c=np.nonzero(m)
        return cls(w[r,c].copy(), c.astype(np.uint16 if w.shape[1]<=65536 else np.int32), np.concatenate([[0],np.cumsum(m.sum(1))]).astype(np.int32), w.shape)
    def rows(self): return np.repeat(np.arange(self.shape[0]), np.diff(self.pointers))
    def to_dense(self):
        w=np.zeros(self.shape,self.values.dtype); w[self.rows(),self.columns]=self.values; return w
    @property
    def nnz(self): return len(self.values)
    @property
    def nbytes(self): return self.values.nbytes+self.columns.nbytes+self.pointers.nbytes
    @cached_property
    def plan(self): return Plan(self.columns,self.pointers,self.shape)
    def transpose(self):
        order=np.lexsort((self.rows(),self.columns)).astype(np.int32)
        c=self.rows()[order]; p=np.concatenate([[0],np.cumsum(np.bincount(self.columns,minlength=self.shape[1]))]).astype(np.int32)
        return CSR(self.values[order],c.astype(np.uint16 if self.shape[0]<=65536 else np.int32),p,self.shape[::-1]),order
